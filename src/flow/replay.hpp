#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "flow/reject.hpp"
#include "os/disk.hpp"
#include "source/source.hpp"
#include "sql/instance.hpp"

namespace millrace::flow {

/// Which rejects shall be tried again. What is left out chooses all that were not accepted since.
struct ReplayRequest {
  std::optional<std::string> table;
  std::optional<std::string> reason;
  std::optional<std::string> stage;
  std::optional<base::Time> since;  ///< rejected at or after
  struct Position {
    std::string table;
    std::string source;
    std::string incarnation;
    std::int64_t shard = 0;
    std::int64_t offset = 0;
  };
  std::vector<Position> positions;  ///< these alone; empty: not chosen by position
  std::int64_t number_min = 1;      ///< of the replays
  bool has_duplicates = false;      ///< take rejects of reason `duplicate`, too
};

struct ReplayStarted {
  std::vector<std::string> ids;  ///< one replay for each table that has such rejects
  std::int64_t records = 0;
};

/// A manifest: rejects of one table, chosen once and never changed, as a source of its own. Its
/// file is `replay/<number>.<table>.parquet`; a record's index is its position.
/// Threads: one at a time.
class ReplaySource final : public source::Source {
 public:
  /// Errors  Corrupt: the manifest cannot be read.
  static base::Result<std::unique_ptr<ReplaySource>> open(const os::Path& file,
                                                          sql::Instance& engine);

  std::int64_t number() const { return number_; }
  const std::string& table() const { return table_; }
  const std::string& root_source() const { return source_; }
  /// Where the records of the last `read` stood first.
  const ReplayPart& part() const { return part_; }

  const std::string& incarnation() const override { return incarnation_; }
  int shard_count() const override { return 1; }
  base::Offset oldest(base::ShardId) const override { return base::Offset(0); }
  base::Offset end(base::ShardId) const override { return base::Offset(count_); }
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t bytes_max) override;
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override;
  base::Result<void> release(std::span<const base::Offset>) override { return {}; }

 private:
  ReplaySource(os::Path file, sql::Connection connection)
      : file_(std::move(file)), connection_(std::move(connection)) {}

  const os::Path file_;
  sql::Connection connection_;
  std::int64_t number_ = 0;
  std::string table_;
  std::string source_;
  std::string incarnation_;
  std::int64_t count_ = 0;
  ReplayPart part_;
};

/// Writes manifests for what `request` chooses of `rejects_sql`, all rows of the rejects table.
/// Shape   one file for each table, durable; none if nothing is chosen.
base::Result<std::vector<os::Path>> write_manifests(const ReplayRequest& request,
                                                    const std::string& rejects_sql,
                                                    const os::Path& folder, os::Disk& disk,
                                                    sql::Instance& engine);
/// The manifests in `folder`, oldest first.
base::Result<std::vector<os::Path>> list_manifests(const os::Path& folder, os::Disk& disk);

}  // namespace millrace::flow
