// The schedule of jobs: what is due, and what it waits for.
#include <algorithm>

#include "batch/events.hpp"
#include "batch/job.hpp"

namespace millrace::batch {

using base::Result;
using config::Each;

void Jobs::run_due() {
  std::lock_guard one_at_a_time(schedule_mutex_);
  for (auto& job : jobs_) {
    if (stopping_.stop_requested()) return;
    if (!job->plan.job.at) continue;
    auto done = run_due(*job);
    if (!done && done.error().code != base::Code::Cancelled) {
      events::schedule_failed(parts_.tools.telemetry, job->name(), done.error().text());
    }
  }
}

// The last firing that is not dealt with yet. Those before it need no run of their own: what they
// would have run is stale now.
std::optional<base::Time> Jobs::last_firing(Job& job) const {
  const auto& cron = *job.plan.job.at;
  const auto now = parts_.tools.clock.now();
  auto after = runs_->scheduled_until(job.name()).value_or(now);
  if (job.due) after = std::max(after, job.due->firing);
  if (!job.next_firing || job.next_firing->first != after) {
    job.next_firing = {after, cron.next_after(after, zone_)};
  }
  std::optional<base::Time> last;
  for (auto firing = job.next_firing->second; firing <= now;
       firing = cron.next_after(firing, zone_)) {
    last = firing;
  }
  return last;
}

Result<void> Jobs::run_due(Job& job) {
  if (const auto firing = last_firing(job)) {
    std::lock_guard lock(job.mutex);
    job.due = Due{*firing, {}, {}};
  }
  if (!job.due) return {};
  if (!TRY(run_due_partitions(job))) return {};
  TRY(runs_->set_scheduled_until(job.name(), job.due->firing));
  TRY(job.freshness->renew_marks());
  {
    std::lock_guard lock(job.mutex);
    job.due.reset();
  }
  return count_stale(job);
}

// True if nothing is waited for any more. Each partition runs once for a firing.
Result<bool> Jobs::run_due_partitions(Job& job) {
  const auto firing = job.due->firing;
  const auto partitions = TRY(job.freshness->partitions(firing));
  std::set<Partition> waiting;
  std::vector<Partition> wanted;
  for (const auto& partition : partitions) {
    const bool is_over = partition.end <= firing;
    if (!is_over || job.due->done.contains(partition)) continue;
    if (!TRY(job.freshness->is_stale(partition))) continue;
    const bool waits = waits_for_other(job, partition) || is_filling(job, partition);
    if (waits) {
      waiting.insert(partition);
    } else {
      wanted.push_back(partition);
    }
  }
  const auto rows = TRY(run_all(job, wanted, Trigger::Schedule, Only::Stale));
  if (stopping_.stop_requested()) return false;  // the next start goes on from here
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].status == RunStatus::Skipped) {
      waiting.insert(wanted[i]);
      continue;
    }
    std::lock_guard lock(job.mutex);
    job.due->done.insert(wanted[i]);
  }
  const bool is_done = waiting.empty() && !waits_for_others(job);
  std::lock_guard lock(job.mutex);
  job.due->waiting = std::move(waiting);
  return is_done;
}

// Rows of it may still come: the committed rows of a table that it reads do not reach its end.
bool Jobs::is_filling(const Job& job, const Partition& partition) const {
  if (partition.each == Each::None) return false;
  return std::ranges::any_of(job.plan.inputs, [&](const JobInput& input) {
    return !input.is_job && parts_.stream.watermark(input.table) < partition.end;
  });
}

// A job that it reads has the same partition still before it, or may yet make it.
bool Jobs::waits_for_other(const Job& job, const Partition& partition) const {
  return std::ranges::any_of(job.plan.inputs, [&](const JobInput& input) {
    const auto* other = input.is_job ? find_job(input.table) : nullptr;
    if (!other) return false;
    const bool is_same = input.by == JobInput::By::Partition && !input.is_wide;
    if (!is_same || waits_for_others(*other)) return is_due(*other);
    std::lock_guard lock(other->mutex);
    return other->due && other->due->waiting.contains(partition);
  });
}

// A job that it reads is not done with its firing. It was looked at before, so it waits itself.
bool Jobs::waits_for_others(const Job& job) const {
  return std::ranges::any_of(job.plan.inputs, [&](const JobInput& input) {
    const auto* other = input.is_job ? find_job(input.table) : nullptr;
    return other && is_due(*other);
  });
}

bool Jobs::is_due(const Job& job) const {
  std::lock_guard lock(job.mutex);
  return job.due.has_value();
}

const Jobs::Job* Jobs::find_job(const std::string& name) const {
  const auto job = std::ranges::find_if(jobs_, [&](const auto& j) { return j->name() == name; });
  return job == jobs_.end() ? nullptr : job->get();
}

}  // namespace millrace::batch
