#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "batch/jobs.hpp"

namespace millrace::batch {

/// A firing of a job's schedule that is being dealt with.
struct Jobs::Due {
  base::Time firing;
  std::set<Partition> done;     ///< those that ran because of it, well or not
  std::set<Partition> waiting;  ///< those that run now, or that rows or other jobs are waited for
  /// All that waits does so for a later firing of a job that this reads, which comes then.
  std::optional<base::Time> early_until = {};
};

/// A job at work.
struct Jobs::Job {
  JobPlan plan;
  std::unique_ptr<lake::Table> table;
  std::unique_ptr<Freshness> freshness;
  std::unique_ptr<Engine> engine;  ///< what computes its runs; null: we do
  std::optional<std::pair<base::Time, base::Time>> next_firing;  ///< the first after a time; a memo
  std::mutex run_mutex;       // one call that runs partitions of it at a time
  std::mutex schedule_mutex;  // one look at what is due of it at a time
  mutable std::mutex mutex;
  std::optional<base::Time> fired;  // Guarded by mutex. A firing that no look has dealt with yet.
  std::optional<Due> due;           // Guarded by mutex. Changed by looks alone.
  std::set<Partition> failed;       // Guarded by mutex. Those whose last run failed.
  std::atomic<bool> is_looked_at = false;  // by its thread
  std::jthread thread;                     // of a look at what is due
  std::jthread adoption;                   // of runs that an earlier process started

  const std::string& name() const { return plan.job.name; }
  RunnableJob runnable() const { return {plan, *table, freshness->marks()}; }
};

}  // namespace millrace::batch
