#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "batch/jobs.hpp"

namespace millrace::batch {

/// A firing of a job's schedule that is being dealt with.
struct Jobs::Due {
  base::Time firing;
  std::set<Partition> done;     ///< those that ran because of it, well or not
  std::set<Partition> waiting;  ///< those that rows or other jobs are still waited for
};

/// A job at work.
struct Jobs::Job {
  JobPlan plan;
  std::unique_ptr<lake::Table> table;
  std::unique_ptr<Freshness> freshness;
  std::optional<std::pair<base::Time, base::Time>> next_firing;  ///< the first after a time; a memo
  mutable std::mutex mutex;
  std::optional<Due> due;  // Guarded by mutex. Changed by the schedule alone.

  const std::string& name() const { return plan.job.name; }
  RunnableJob runnable() const { return {plan, *table, freshness->marks()}; }
};

}  // namespace millrace::batch
