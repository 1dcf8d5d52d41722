#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "batch/attempts.hpp"
#include "batch/events.hpp"
#include "batch/load_target.hpp"
#include "batch/loads.hpp"

// What `Loads` keeps; loads.cpp and loads_proof.cpp share it.
namespace millrace::batch {

// After a load failed with all its attempts, until it is tried again; doubles each time.
inline constexpr std::chrono::microseconds kAgain = std::chrono::minutes(5);

/// What a warehouse has is asked anew after this time: somebody may have changed it.
inline constexpr std::chrono::microseconds kLedgerAge = std::chrono::minutes(10);

/// When something is tried again that failed.
struct Again {
  base::Time at{};
  std::chrono::microseconds pause{0};
  std::string error;

  void put_off(base::Time now, const base::Error& why) {
    error = why.text();
    pause = pause.count() == 0 ? kAgain : std::min(pause * 2, kRetryWaitMax);
    at = now + pause;
  }
};

/// A warehouse, and who works on it.
struct Loads::Place {
  std::unique_ptr<Warehouse> warehouse;
  std::mutex mutex;  // one load at a time
  std::jthread thread;
};

struct Loads::Job {
  Job(const RunnableJob& runnable_, const std::string& pipeline, Place& place_)
      : runnable(runnable_),
        name(run_name(config())),
        target(target_of(pipeline, runnable.plan, runnable.output.snapshot()->metadata->schema)),
        place(place_) {}

  const RunnableJob runnable;
  const std::string name;  // of its loads in `_runs`
  const LoadTarget target;
  Place& place;
  // Guarded by the place's mutex.
  std::optional<Again> down;                                 // the warehouse did not take loads
  std::map<std::string, std::pair<LoadMark, Again>> failed;  // partitions that it does not take

  mutable std::mutex mutex;
  // Guarded by mutex. What the warehouse has, as it said last or as `_runs` tells; none: neither
  // was asked yet.
  std::optional<Ledger> ledger;
  base::Time ask_at{};  // Guarded by mutex. From when on the ledger is to be asked for anew.
  std::string error;    // Guarded by mutex.
  // Guarded by mutex. By label: what the last proof of a partition found, if it was not well.
  std::map<std::string, std::string> unproven;

  const config::Job& config() const { return runnable.plan.job; }
};

/// Does the work, which gives a Result, as often as the job's `retry` says while the error is one
/// that may pass. The row's attempt is the last one.
template <class Work>
auto Loads::attempt(Job& job, RunRow& row, const std::stop_token& stop, Work work)
    -> decltype(work()) {
  const auto& retry = job.config().retry;
  auto pause = retry.first_wait;
  for (row.attempt = 1;; ++row.attempt, pause = std::min(pause * 2, kRetryWaitMax)) {
    auto done = work();
    if (done || !may_pass(done.error()) || row.attempt >= retry.attempts) return done;
    events::run_retried(parts_.tools.telemetry, row.job, row.partition, row.attempt,
                        done.error().text());
    if (!wait(parts_.tools.clock, pause, stop)) return done;
  }
}

}  // namespace millrace::batch
