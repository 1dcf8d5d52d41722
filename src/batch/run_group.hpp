#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "batch/computer.hpp"
#include "batch/runs_table.hpp"

namespace millrace::batch {

/// One partition of a group that is run.
struct RunTask {
  enum class State : std::uint8_t {
    Unclaimed,
    Ready,  ///< claimed, to be computed as soon as `not_before` has come
    Computing,
    Computed,  ///< to be committed
    Failed,    ///< its row is to be written
    Over,
  };

  Partition partition;
  RunRow row;                          // By whoever the state gives the task to.
  std::optional<Computed> computed;    // the same
  std::vector<CheckResult> checks;     // the same: of the last attempt
  bool is_begun = false;               // the same
  int recomputes = 0;                  // the same
  std::chrono::microseconds pause{0};  // the same: before the next attempt
  Claim claim;                         // Guarded by Runner's mutex of claims.
  std::atomic<bool> has_claim = false;
  State state = State::Unclaimed;  // Guarded by the group's mutex.
  std::size_t beside = 0;          // Guarded by the group's mutex. The limit when it was taken.
  base::Time not_before{};         // Guarded by the group's mutex.
};

/// The partitions that one call runs, and how far each is: the coordinator claims, commits and
/// ends them, and several workers compute. Few are claimed ahead, and what was computed does not
/// wait long for its commit, so that progress is durable and memory bounded.
/// Threads: safe from any.
class RunGroup {
 public:
  struct Options {
    std::size_t claims_max = 128;    ///< that one commit takes
    std::size_t open_max = 256;      ///< claimed, and not over yet
    std::size_t ready_min = 8;       ///< fewer: more are claimed
    std::size_t commit_tasks = 128;  ///< so many are committed at once
    std::chrono::microseconds commit_time = std::chrono::seconds(10);  ///< or what came in so long
    std::size_t computing_max = 1;                                     ///< at once
  };
  RunGroup(const std::vector<Partition>& partitions, const Options& options,
           const base::Clock& clock);

  /// What the coordinator is to do next.
  struct Step {
    std::vector<RunTask*> to_claim;  ///< Unclaimed
    std::vector<RunTask*> to_end;    ///< Computed or Failed
    bool is_over = false;
  };
  /// Waits until there is something to do.
  Step next_step(const std::stop_token& stopping);

  /// Waits for a task to compute. Null: there will be none.
  RunTask* take(const std::stop_token& stopping);
  /// There was not enough memory for what was computed beside a task. True: it is to be computed
  /// again, and fewer are at once from now on. False: it had all of the memory to itself.
  bool put_back_for_fewer(RunTask& task);
  void put(RunTask& task, RunTask::State state, base::Time not_before = {});
  /// Those that were claimed and are neither computed nor over: what a stop leaves.
  std::vector<RunTask*> all_ready();
  /// Nothing more will be claimed.
  void close();
  /// Nothing more will be computed.
  void end();

  std::deque<RunTask>& tasks() { return tasks_; }

 private:
  struct Counts {
    std::size_t unclaimed = 0;
    std::size_t open = 0;   ///< claimed and not over
    std::size_t ready = 0;  ///< to be computed now
    std::size_t computing = 0;
    std::size_t to_end = 0;
  };
  // The caller holds mutex_.
  Counts count();
  bool is_commit_due(std::size_t to_end) const;
  std::vector<RunTask*> take_to_end();

  const Options options_;
  const base::Clock& clock_;
  std::deque<RunTask> tasks_;  // oldest first
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t first_open_ = 0;                   // Guarded by mutex_. Those before it are over.
  std::size_t claimed_ = 0;                      // Guarded by mutex_. Those behind are unclaimed.
  std::size_t computing_max_ = 1;                // Guarded by mutex_. At once.
  bool is_closed_ = false;                       // Guarded by mutex_.
  bool is_over_ = false;                         // Guarded by mutex_.
  std::optional<base::SteadyTime> waits_since_;  // Guarded by mutex_. What is to be ended.
};

}  // namespace millrace::batch
