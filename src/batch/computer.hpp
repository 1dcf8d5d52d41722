#pragma once

#include <optional>
#include <string>
#include <vector>

#include "batch/checks_table.hpp"
#include "batch/pinned.hpp"
#include "batch/run_row.hpp"
#include "lake/file_cache.hpp"

namespace millrace::batch {

/// What came out for a partition: its file is durable, and no commit names it yet.
struct Computed {
  std::shared_ptr<const Pinned> pinned;
  std::optional<lake::AddFile> file;  ///< none: no rows
};

/// Computes partitions of a job, one after the other, on a connection of its own.
/// Threads: one at a time, but `interrupt` from any.
class Computer {
 public:
  static base::Result<Computer> open(const RunnableJob& job, const lake::Tools& tools,
                                     ChecksTable& checks);

  /// The partition that `row` is of, from `pinned`: computes, judges and writes it. What the judges
  /// found comes into `checks`, also if they are why it fails.
  /// Errors  Invalid: the SQL, its data, or a judge; with its place. Cancelled: interrupted. Others
  ///         may pass.
  base::Result<Computed> compute(const std::shared_ptr<const Pinned>& pinned,
                                 const Partition& partition, const RunRow& row,
                                 std::vector<CheckResult>& checks);
  void interrupt() { connection_.interrupt(); }

 private:
  Computer(const RunnableJob& job, const lake::Tools& tools, ChecksTable& checks,
           sql::Connection connection)
      : job_(job), tools_(tools), checks_(checks), connection_(std::move(connection)) {}

  enum class Within : std::uint8_t { Shown, Told };
  base::Result<std::string> show_inputs(const std::shared_ptr<const Pinned>& pinned,
                                        const Partition& partition, Within within);
  base::Result<void> show(const std::string& name, const std::string& select);
  base::Result<void> judge(const Partition& partition, const RunRow& row,
                           std::vector<CheckResult>& checks);
  base::Result<void> show_new_among_others(const Partition& partition);
  base::Result<void> reconcile(const Partition& partition, std::vector<CheckResult>& checks);
  base::Result<std::optional<lake::AddFile>> write_few(const std::shared_ptr<const Pinned>& pinned,
                                                       const Partition& partition);
  std::string bound(const Partition& partition, const std::string& sql) const;

  RunnableJob job_;
  lake::Tools tools_;
  ChecksTable& checks_;
  sql::Connection connection_;
  std::shared_ptr<const Pinned> shown_;  // what the connection shows of all partitions
  lake::Pins pins_;                      // of copies of the files that it shows
  bool is_few_ = false;  // the last partition had few rows: the next one is taken to have them too
};

}  // namespace millrace::batch
