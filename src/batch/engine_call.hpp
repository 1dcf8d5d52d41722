#pragma once

#include <mutex>

#include "batch/engine_runs.hpp"

namespace millrace::batch {

/// One order, or one that an earlier process gave.
class EngineRuns::Call {
 public:
  Call(const EngineRuns& runs, const RunnableJob& job, Engine& engine,
       const std::stop_token& stopping)
      : parts_(runs.parts_),
        tables_(runs.tables_),
        secrets_(runs.secrets_),
        job_(job),
        engine_(engine),
        stop_(stopping) {}

  base::Result<std::vector<RunRow>> run(const RunRequest& request);
  base::Result<std::vector<RunRow>> adopt(const std::string& token, std::vector<Claim> claims);

 private:
  struct Task {
    Partition partition;
    RunRow row;
    Claim claim;
    std::vector<CheckResult> checks;
    bool has_claim = false;
    bool is_over = false;
  };
  using Tasks = std::vector<Task*>;

  base::Result<void> claim(const RunRequest& request);
  base::Result<void> keep_wanted(const RunRequest& request);
  void release(const Tasks& tasks);
  void compute(const config::TimeZone& zone);
  bool attempt_again(const base::Error& error, int attempt, std::chrono::microseconds pause);
  base::Error settle(const base::Result<void>& done, std::chrono::microseconds took);
  void fail_open(const std::string& why);
  base::Result<void> finish();
  base::Result<void> finish(const Tasks& tasks);
  void renew_claims();

  Tasks open() {
    Tasks found;
    for (auto& task : tasks_) {
      if (!task.is_over) found.push_back(&task);
    }
    return found;
  }

  const RunnerParts& parts_;
  const os::Path& tables_;
  const Secrets& secrets_;
  const RunnableJob& job_;
  Engine& engine_;
  const std::stop_token& stop_;
  std::string token_;
  std::vector<Task> tasks_;
  bool goes_on_ = false;     // without us
  std::mutex claims_mutex_;  // claims of tasks: renewed and given back one at a time
};

}  // namespace millrace::batch
