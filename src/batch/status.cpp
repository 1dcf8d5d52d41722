// How jobs and their partitions stand.
#include <map>

#include "batch/events.hpp"
#include "batch/job.hpp"

namespace millrace::batch {

using base::Result;
using config::Each;

std::string_view name_of(PartitionState state) {
  switch (state) {
    case PartitionState::Fresh:
      return "fresh";
    case PartitionState::Stale:
      return "stale";
    case PartitionState::Due:
      return "due";
    case PartitionState::Filling:
      return "filling";
    case PartitionState::Failed:
      return "failed";
    case PartitionState::Blocked:
      return "blocked";
    case PartitionState::Running:
      return "running";
    case PartitionState::Final:
      return "final";
  }
  return "fresh";
}

Result<PartitionState> Jobs::state_of(Job& job, const Partition& partition, const RunRow* last) {
  if (runs_->is_running(job.name(), label_of(partition))) return PartitionState::Running;
  if (job.freshness->is_final(partition)) return PartitionState::Final;
  if (!TRY(job.freshness->is_stale(partition))) return PartitionState::Fresh;
  if (last && last->status == RunStatus::Failed) return PartitionState::Failed;
  const auto now = parts_.tools.clock.now();
  const bool is_over = partition.each == Each::None || partition.end <= now;
  if (!is_over || is_filling(job, partition)) return PartitionState::Filling;
  if (is_blocked(job, partition)) return PartitionState::Blocked;
  std::lock_guard lock(job.mutex);
  const bool is_due = job.due && partition.end <= job.due->firing;
  return is_due ? PartitionState::Due : PartitionState::Stale;
}

Result<JobStatus> Jobs::status_of(Job& job, std::size_t partitions_max) {
  const auto& config = job.plan.job;
  const auto now = parts_.tools.clock.now();
  JobStatus status{.name = config.name, .each = config.each_column};
  if (config.at) {
    status.at = config.at->text();
    status.next_run_at = config.at->next_after(now, zone_);
  }
  std::map<std::string, RunRow> last;
  auto last_runs = TRY(runs_->last_runs(config.name));
  for (auto& row : last_runs) {
    if (!status.last_run || status.last_run->started_at < row.started_at) status.last_run = row;
    last.emplace(row.partition, std::move(row));
  }
  std::map<std::string, std::int64_t> rows;
  for (const auto& [path, file] : job.table->snapshot()->files) {
    const auto value = file->partition_values.find(config.each_column);
    const bool has_value = value != file->partition_values.end() && value->second;
    rows[has_value ? *value->second : ""] += std::max<std::int64_t>(file->record_count, 0);
  }
  if (config.load) status.load = loads_->status(config.name);
  const auto partitions = TRY(job.freshness->partitions(now));
  std::size_t stale = 0;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const auto& partition = partitions[i];
    const auto label = label_of(partition);
    const auto run = last.find(label);
    const auto state = TRY(state_of(job, partition, run == last.end() ? nullptr : &run->second));
    stale += state == PartitionState::Fresh || state == PartitionState::Final ? 0 : 1;
    if (i + partitions_max < partitions.size()) continue;
    auto& shown = status.partitions.emplace_back();
    shown.partition = label;
    shown.state = state;
    shown.rows = rows[value_of(partition)];
    if (run != last.end()) shown.ran_at = run->second.started_at;
    if (status.load && status.load->is_known && run != last.end()) {
      shown.is_loaded = !status.load->waiting.contains(label);
    }
  }
  events::partitions_stale(parts_.tools.telemetry, job.name(), stale);
  return status;
}

// For the metrics.
Result<void> Jobs::count_stale(Job& job) {
  std::size_t stale = 0;
  for (const auto& partition : TRY(job.freshness->partitions(parts_.tools.clock.now()))) {
    stale += TRY(job.freshness->is_stale(partition)) ? 1 : 0;
  }
  events::partitions_stale(parts_.tools.telemetry, job.name(), stale);
  return {};
}

Result<std::vector<JobStatus>> Jobs::list(std::size_t partitions_max,
                                          const std::optional<std::string>& name) {
  std::vector<JobStatus> statuses;
  for (auto& job : jobs_) {
    if (name && job->name() != *name) continue;
    statuses.push_back(TRY(status_of(*job, partitions_max)));
  }
  return statuses;
}

}  // namespace millrace::batch
