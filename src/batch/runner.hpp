#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "batch/checks_table.hpp"
#include "batch/pinned.hpp"
#include "batch/runs_table.hpp"
#include "flow/cut_board.hpp"

namespace millrace::batch {

struct RunnerParts {
  lake::Tools tools;  ///< its engine computes the results
  flow::CutBoard& board;
  RunsTable& runs;
  ChecksTable& checks;
  std::size_t threads = 1;  ///< so many partitions of a job are computed at once
};

struct RunRequest {
  const RunnableJob& job;
  std::vector<Partition> partitions;  ///< oldest first
  Trigger trigger = Trigger::Schedule;
  /// Asked once more when the claim of a partition is held: another process may have run it
  /// meanwhile. Empty: all are wanted.
  std::function<base::Result<bool>(const Partition&)> is_wanted = {};
};

/// Runs partitions of a job: claims them, computes several at once, each from one cut of the
/// tables, checks them, replaces those that are ready in one commit, and writes the runs' rows. Of
/// a run that fails the partition stays as it was, and the others go on.
/// Threads: safe from any.
class Runner {
 public:
  explicit Runner(const RunnerParts& parts) : parts_(parts) {}

  /// Shape   a row for each partition; none for those that a stop left untouched.
  /// Errors  only what keeps it from claiming runs or from saying what happened; a run that failed
  ///         is an outcome.
  base::Result<std::vector<RunRow>> run(const RunRequest& request, const std::stop_token& stopping);
  /// Makes all SQL that runs now fail with Cancelled.
  void interrupt();

 private:
  class Call;

  const RunnerParts parts_;
  std::mutex mutex_;
  std::set<Call*> calls_;  // Guarded by mutex_.
};

}  // namespace millrace::batch
