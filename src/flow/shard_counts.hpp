#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lake/table.hpp"

namespace millrace::flow {

/// What became of the records of one shard of one life of a source, added up since a table's counts
/// begin there. A commit carries it beside the position: docs/formats/lake.md, "Counts".
struct ShardCounts {
  std::int64_t from = 0;      ///< the position where the counts begin
  std::int64_t until = 0;     ///< the one up to which they go
  std::int64_t records = 0;   ///< that came to the table
  std::int64_t taken = 0;     ///< records that have rows
  std::int64_t rows = 0;      ///< that the commits brought
  std::int64_t rejected = 0;  ///< records
  std::int64_t partly = 0;    ///< records that have rows and were rejected, for another row
  std::int64_t filtered = 0;  ///< records of which the SQL made no row
  std::int64_t removed = 0;   ///< rows that were removed since because they were old

  /// Adds those of records that follow; positions and `removed` stay.
  void add(const ShardCounts& other);
  /// The records whose end is known.
  std::int64_t accounted() const { return taken + rejected - partly + filtered; }
  bool operator==(const ShardCounts&) const = default;
};

using Transactions = std::map<std::string, std::int64_t>;

/// What a table has beside the position `app_id`; none: its counts have not begun there.
std::optional<ShardCounts> counts_of(const Transactions& transactions, const std::string& app_id);

/// What a commit must set so that the table has `counts`: numbers that stand there already are left
/// out, and `removed`, which is another writer's.
std::vector<std::pair<std::string, std::int64_t>> notes_of(const ShardCounts& counts,
                                                           const Transactions& transactions,
                                                           const std::string& app_id);
/// Which number says how many rows were removed.
std::string removed_id(const std::string& app_id);

/// One shard of one life of a source, as a table has read it.
struct ShardLife {
  std::string app_id;
  std::string source;
  std::string incarnation;
  std::int32_t shard = 0;  ///< below zero: a replay's
  std::int64_t position = 0;
  std::optional<ShardCounts> counts;

  bool is_replay() const { return shard < 0; }
};
/// All that `table` has positions of, whatever the pipeline was called.
std::vector<ShardLife> lives_of(const Transactions& transactions, std::string_view table);

/// The positions that a commit which removes `files` moves, so that their rows are not missed.
base::Result<std::vector<lake::Transaction::Position>> removed_rows(
    const lake::Table& table, const std::string& name, const lake::Snapshot& snapshot,
    const std::vector<std::shared_ptr<const lake::AddFile>>& files, sql::Connection& connection);

}  // namespace millrace::flow
