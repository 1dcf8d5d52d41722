#pragma once

#include "batch/replacement.hpp"
#include "batch/run_group.hpp"
#include "batch/runner.hpp"

namespace millrace::batch {

inline constexpr std::string_view kStopped = "the program was stopped during the run";
inline constexpr std::string_view kTaken =
    "the claim of the run expired and was taken by another process";

/// One call of Runner::run. The calling thread coordinates: it claims partitions, commits what was
/// computed and writes the runs' rows. Workers compute, and one thread keeps the claims.
class Runner::Call {
 public:
  Call(const RunnerParts& parts, const RunRequest& request, const std::stop_token& stopping);

  base::Result<std::vector<RunRow>> run();
  void interrupt();

 private:
  using Tasks = std::vector<RunTask*>;

  base::Result<void> coordinate();
  base::Result<void> claim(const Tasks& tasks);
  base::Result<Tasks> keep_wanted(const Tasks& claimed);

  void forget(const Tasks& tasks);

  void work();
  bool is_for_fewer(RunTask& task, const base::Error& error);
  void begin(RunTask& task);
  base::Result<Computed> compute(std::optional<Computer>& computer, RunTask& task);
  base::Result<std::shared_ptr<const Pinned>> pin();
  void drop_pin();

  void fail(RunTask& task, base::Error error);
  void end(const Tasks& tasks);
  Tasks replace(const Tasks& computed);
  Tasks keep_held(const Tasks& tasks);
  bool settle(RunTask& task, Replacement& replacement);
  void finish(const Tasks& tasks);
  void release(const Tasks& tasks);
  void give_up_rest();

  void renew_claims();

  const RunnerParts& parts_;
  const RunRequest& request_;
  const RunnableJob& job_;
  const std::stop_token& stopping_;
  RunGroup group_;
  std::optional<base::Error> error_;  // what kept it from writing the row of a run that failed

  std::mutex claims_mutex_;  // claims of tasks: renewed, compared and given back one at a time
  std::mutex pin_mutex_;
  std::shared_ptr<const Pinned> pinned_;  // Guarded by pin_mutex_. Null: it is to be made anew.
  std::mutex computing_mutex_;
  std::map<const RunTask*, Computer*> computing_;  // Guarded by computing_mutex_.
};

}  // namespace millrace::batch
