// The schedule of jobs: what is due, and what it waits for.
#include <algorithm>

#include "batch/events.hpp"
#include "batch/job.hpp"

namespace millrace::batch {

using base::Result;
using config::Each;

void Jobs::run_due() {
  const std::lock_guard one_at_a_time(schedule_mutex_);
  note_firings();
  for (auto& job : jobs_) look_at(*job);
}

// One that takes long, or waits for its next attempt, holds up no other job.
void Jobs::begin_due() {
  const std::lock_guard one_at_a_time(schedule_mutex_);
  note_firings();
  for (auto& job : jobs_) {
    if (job->is_looked_at || !is_due(*job)) continue;
    job->is_looked_at = true;
    job->thread = std::jthread([this, raw = job.get()] {
      look_at(*raw);
      raw->is_looked_at = false;
    });
  }
}

// Of all jobs before any is looked at: who reads another's table sees that it comes first.
void Jobs::note_firings() {
  for (auto& job : jobs_) {
    if (!job->plan.job.at) continue;
    const auto firing = last_firing(*job);
    const std::lock_guard lock(job->mutex);
    if (firing) job->fired = firing;
    const bool is_held_up = job->due && !job->due->early_until;
    events::due_since(parts_.tools.telemetry, job->name(),
                      is_held_up ? job->due->firing : job->fired.value_or(base::Time{}));
  }
}

// The last firing that is not noted yet. Those before it need no run of their own: what they
// would have run is stale now.
std::optional<base::Time> Jobs::last_firing(Job& job) const {
  const auto& cron = *job.plan.job.at;
  const auto now = parts_.tools.clock.now();
  auto after = runs_->scheduled_until(job.name()).value_or(now);
  {
    const std::lock_guard lock(job.mutex);
    if (job.due) after = std::max(after, job.due->firing);
    if (job.fired) after = std::max(after, *job.fired);
  }
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

void Jobs::look_at(Job& job) {
  const std::lock_guard one_at_a_time(job.schedule_mutex);
  std::optional<base::Time> firing;
  {
    const std::lock_guard lock(job.mutex);
    if (job.due) firing = job.due->firing;
    if (job.fired) firing = job.fired;
  }
  if (!firing || stopping_.stop_requested()) return;
  auto done = run_due(job, *firing);
  if (done || done.error().code == base::Code::Cancelled) return;
  events::schedule_failed(parts_.tools.telemetry, job.name(), done.error().text());
}

Result<void> Jobs::run_due(Job& job, base::Time firing) {
  if (!TRY(run_due_partitions(job, firing))) return {};
  TRY(runs_->set_scheduled_until(job.name(), firing));
  TRY(job.freshness->renew_marks());
  {
    std::lock_guard lock(job.mutex);
    job.due.reset();
  }
  return count_stale(job);
}

// True if nothing is waited for any more. Each partition runs once for a firing.
Result<bool> Jobs::run_due_partitions(Job& job, base::Time firing) {
  Due due{firing, {}, {}};
  if (job.due && job.due->firing == firing) due.done = job.due->done;
  std::set<Partition> waiting;
  std::vector<Partition> wanted;
  const auto own = TRY(job.freshness->partitions(firing));
  const auto coming = TRY(still_to_come(job, firing, own));
  std::set<Partition> all(own.begin(), own.end());
  for (const auto& [partition, at] : coming) all.insert(partition);
  for (const auto& partition : all) {
    const bool is_over = partition.end <= firing;
    if (!is_over || due.done.contains(partition)) continue;
    const bool is_early = coming.contains(partition);
    if (!is_early && !TRY(job.freshness->is_stale(partition))) continue;
    due.waiting.insert(partition);
    const bool waits = is_early || waits_for_other(job, partition) || is_filling(job, partition);
    if (waits) {
      waiting.insert(partition);
    } else {
      wanted.push_back(partition);
    }
  }
  {
    const std::lock_guard lock(job.mutex);
    job.due = due;
    if (job.fired == firing) job.fired.reset();
  }
  std::vector<RunRow> rows;
  if (!wanted.empty()) rows = TRY(run_all(job, wanted, Trigger::Schedule, Only::Stale));
  if (stopping_.stop_requested()) return false;  // the next start goes on from here
  for (std::size_t i = 0; i < rows.size(); ++i) {
    (rows[i].status == RunStatus::Skipped ? waiting : due.done).insert(wanted[i]);
  }
  due.waiting = std::move(waiting);
  const bool is_held_up = waits_for_others(job) || is_blocked(job, {});
  const bool is_done = due.waiting.empty() && !is_held_up;
  const bool is_early = !is_held_up && std::ranges::all_of(due.waiting, [&](const Partition& one) {
    return coming.contains(one);
  });
  for (const auto& [partition, at] : coming) {
    if (is_early) due.early_until = std::min(due.early_until.value_or(at), at);
  }
  const std::lock_guard lock(job.mutex);
  job.due = std::move(due);
  return is_done;
}

// The partitions that jobs which this one reads make for the first time at a firing that is still
// ahead, and when, if that is before its own next firing: a job that is scheduled before what it
// reads would be a period late.
Result<Jobs::Coming> Jobs::still_to_come(const Job& job, base::Time firing,
                                         const std::vector<Partition>& own) const {
  Coming coming;
  const auto own_next = job.plan.job.at->next_after(firing, zone_);
  for (const auto& input : job.plan.inputs) {
    const auto* other = input.is_job ? find_job(input.table) : nullptr;
    if (!other || !other->plan.job.at || is_due(*other)) continue;
    const auto at = next_made(*other);
    if (at >= own_next) continue;
    const auto theirs = TRY(owed(*other, firing));
    if (theirs.empty()) continue;
    const bool is_same = input.by == JobInput::By::Partition && !input.is_wide;
    for (const auto& one : own) {
      if (!is_same) coming.emplace(one, at);
    }
    for (const auto& one : theirs) {
      if (is_same) coming.emplace(one, at);
    }
  }
  return coming;
}

// The partitions that were over by `until` and that the job's next firing is the first to make.
// What came late for others, since they had theirs, is not waited for: there is no end to that.
Result<std::set<Partition>> Jobs::owed(const Job& job, base::Time until) const {
  constexpr auto kMicrosecond = std::chrono::microseconds(1);
  std::set<Partition> found;
  for (const auto& partition : TRY(job.freshness->partitions(until))) {
    const bool is_over = partition.end <= until;
    if (!is_over || !TRY(job.freshness->is_stale(partition))) continue;
    const auto first = job.plan.job.at->next_after(partition.end - kMicrosecond, zone_);
    if (first > until) found.insert(partition);
  }
  for (const auto& input : job.plan.inputs) {
    const auto* other = input.is_job ? find_job(input.table) : nullptr;
    const bool is_same = input.by == JobInput::By::Partition && !input.is_wide;
    if (!other || !other->plan.job.at || !is_same) continue;
    found.merge(TRY(owed(*other, until)));
  }
  return found;
}

// When a job that is not due runs again.
base::Time Jobs::next_made(const Job& job) const {
  const std::lock_guard lock(job.mutex);
  if (job.due && job.due->early_until) return *job.due->early_until;
  return job.plan.job.at->next_after(parts_.tools.clock.now(), zone_);
}

// Rows of it may still come: the committed rows of a table that it reads do not reach its end.
bool Jobs::is_filling(const Job& job, const Partition& partition) const {
  if (partition.each == Each::None) return false;
  return std::ranges::any_of(job.plan.inputs, [&](const JobInput& input) {
    return !input.is_job && parts_.stream.watermark(input.table) < partition.end;
  });
}

// A job that it reads has the same partition still before it, or may yet make it, or failed at it.
bool Jobs::waits_for_other(const Job& job, const Partition& partition) const {
  if (is_blocked(job, partition)) return true;
  return std::ranges::any_of(job.plan.inputs, [&](const JobInput& input) {
    const auto* other = input.is_job ? find_job(input.table) : nullptr;
    if (!other) return false;
    const bool is_same = input.by == JobInput::By::Partition && !input.is_wide;
    if (!is_same || waits_for_others(*other)) return is_due(*other);
    std::lock_guard lock(other->mutex);
    return other->fired || (other->due && other->due->waiting.contains(partition));
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
  const bool is_early =
      job.due && job.due->early_until && parts_.tools.clock.now() < *job.due->early_until;
  return job.fired || (job.due && !is_early);
}

bool Jobs::has_due() const {
  return std::ranges::any_of(jobs_, [this](const auto& job) { return is_due(*job); });
}

const Jobs::Job* Jobs::find_job(const std::string& name) const {
  const auto job = std::ranges::find_if(jobs_, [&](const auto& j) { return j->name() == name; });
  return job == jobs_.end() ? nullptr : job->get();
}

// The last run of something that it reads, or that this is made of, failed, and that is still as
// the run found it. Without a partition: of any.
bool Jobs::is_blocked(const Job& job, const std::optional<Partition>& partition) const {
  return std::ranges::any_of(job.plan.inputs, [&](const JobInput& input) {
    const auto* other = input.is_job ? find_job(input.table) : nullptr;
    if (!other) return false;
    std::set<Partition> failed;
    {
      const std::lock_guard lock(other->mutex);
      failed = other->failed;
    }
    const bool is_same = input.by == JobInput::By::Partition && !input.is_wide;
    const auto read = is_same ? partition : std::nullopt;
    return is_blocked(*other, read) || std::ranges::any_of(failed, [&](const Partition& one) {
             return (!read || one == *read) && other->freshness->is_stale(one).value_or(true);
           });
  });
}

void Jobs::note_failed(Job& job, const std::vector<Partition>& partitions,
                       const std::vector<RunRow>& rows) const {
  const std::lock_guard lock(job.mutex);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].status == RunStatus::Failed) job.failed.insert(partitions[i]);
    if (rows[i].status == RunStatus::Succeeded) job.failed.erase(partitions[i]);
  }
}

// What `note_failed` knew before this process.
Result<void> Jobs::recall_failed(Job& job) const {
  const auto each = job.plan.job.each;
  for (const auto& row : TRY(runs_->last_runs(job.name()))) {
    // A partition that cannot be read was one of another `each`.
    const auto partition = each == Each::None ? Result<Partition>(Partition{})
                                              : parse_partition(each, row.partition, zone_);
    if (!partition) continue;
    const std::lock_guard lock(job.mutex);
    if (row.status == RunStatus::Failed) {
      job.failed.insert(*partition);
    } else {
      job.failed.erase(*partition);
    }
  }
  return {};
}

}  // namespace millrace::batch
