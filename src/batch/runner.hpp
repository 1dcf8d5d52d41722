#pragma once

#include <mutex>
#include <stop_token>
#include <string>
#include <variant>

#include "batch/checks_table.hpp"
#include "batch/marks.hpp"
#include "batch/runs_table.hpp"
#include "flow/cut_board.hpp"

namespace millrace::batch {

/// A job that is ready to run: its plan, its table, and how to say what was run.
struct RunnableJob {
  const JobPlan& plan;
  lake::Table& output;
  const Marks& marks;
};

struct RunnerParts {
  lake::Tools tools;  ///< its engine computes the results
  flow::CutBoard& board;
  RunsTable& runs;
  ChecksTable& checks;
};

/// Runs one partition of a job: claims it, computes it from one cut of the tables, checks it,
/// replaces it in one commit, and writes the run's row. If it fails, the partition stays as it was.
/// Threads: `run` from one at a time; `interrupt` from any.
class Runner {
 public:
  explicit Runner(const RunnerParts& parts) : parts_(parts) {}

  /// Errors  only what keeps it from saying what happened; a run that failed is an outcome.
  base::Result<RunRow> run(const RunnableJob& job, const Partition& partition, Trigger trigger,
                           const std::stop_token& stopping);
  /// Makes the SQL that runs now fail with Cancelled.
  void interrupt();

  /// How many rows the run committed, by the history of the job's table; none if it did not.
  static std::optional<std::int64_t> committed_rows(const lake::Table& output, const Claim& claim);

 private:
  struct Task;
  struct Computed;
  using Attempted = std::variant<std::int64_t, lake::Conflict>;

  base::Result<std::int64_t> run_claimed(Task& task, RunRow& row);
  base::Result<std::int64_t> attempt(Task& task);
  base::Result<Attempted> compute_and_commit(Task& task);
  base::Result<Computed> pin(const Task& task);
  base::Result<void> compute(Task& task, Computed& computed, sql::Connection& connection);
  base::Result<void> judge(Task& task, const Computed& computed, sql::Connection& connection);
  base::Result<void> reconcile(Task& task, sql::Connection& connection);
  void note_checks(const Task& task, const RunRow& row);
  base::Result<Attempted> commit(Task& task, const Computed& computed);
  base::Result<void> keep_claim(Task& task);
  static std::string why_cancelled(Task& task);

  const RunnerParts parts_;
  std::mutex mutex_;
  sql::Connection* running_ = nullptr;  // Guarded by mutex_.
};

}  // namespace millrace::batch
