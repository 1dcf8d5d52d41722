#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.hpp"
#include "sql/instance.hpp"

namespace millrace::flow {

/// Where in the way of a record it was rejected.
enum class Stage : std::uint8_t { Decode, Expect, Unique, Sql };
std::string_view name_of(Stage stage);
Stage stage_of(std::string_view name);

/// A record that a table did not take, and why; or what became of a reject that was tried again.
/// The views live as long as the micro-batch.
struct Reject {
  Stage stage = Stage::Decode;
  std::string reason;  ///< one stable word: `malformed`, an expectation's name, `duplicate`, …
  std::string detail;  ///< for a person
  base::ShardId shard;
  base::Record record;
  std::string outcome = {};  ///< of a replay: `accepted`, `filtered`, `rejected`; else empty
};

/// Where a replayed record stood first.
struct Origin {
  std::string incarnation;
  std::int32_t shard = 0;
  std::int64_t offset = 0;
  Stage stage = Stage::Decode;  ///< why it was rejected then
  std::string reason;
};

/// A micro-batch that is a replay's: its records' first positions, by offset from `first`.
struct ReplayPart {
  std::string id;
  std::string table;  ///< whose rejects they are
  std::int64_t first = 0;
  std::vector<Origin> origins;
};

/// Who rejected, the same for all rejects of a table's micro-batch.
struct RejectedBy {
  std::string table;
  std::string source;
  std::string incarnation;
  base::Time rejected_at;
  const ReplayPart* replay = nullptr;  ///< null: not a replay
};

/// The columns of the table `_rejects`: one row a rejected record, and one more for each later
/// outcome of its replay (`replay` and `outcome` set). It is partitioned by `day`, the UTC day of
/// `rejected_at`.
const std::vector<sql::Column>& reject_columns();

/// Rejects as chunks of `reject_columns()`.
std::vector<sql::Chunk> chunks_of(const std::vector<Reject>& rejects, const RejectedBy& by);

}  // namespace millrace::flow
