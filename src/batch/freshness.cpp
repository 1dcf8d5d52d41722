#include "batch/freshness.hpp"

#include <algorithm>

#include "lake/retention.hpp"

namespace millrace::batch {
namespace {

using base::Result;
using config::Each;

// Marks are renewed when an input has this many versions more.
constexpr std::int64_t kVersionsBehindMax = 500;

}  // namespace

Freshness::Freshness(const Parts& parts)
    : plan_(parts.plan),
      output_(parts.output),
      zone_(parts.zone),
      marks_(parts.pipeline, parts.plan, parts.zone) {
  for (std::size_t i = 0; i < parts.inputs.size(); ++i) {
    changes_.emplace_back(*parts.inputs[i], plan_.inputs[i], plan_.job, zone_, parts.engine);
  }
}

Result<void> Freshness::advance() {
  for (auto& changes : changes_) TRY(changes.advance());
  return {};
}

Result<std::vector<Partition>> Freshness::partitions(base::Time now) {
  if (plan_.job.each == Each::None) return std::vector<Partition>{Partition{}};
  std::lock_guard lock(mutex_);
  TRY(advance());
  const auto run = marks_.partitions(*output_.snapshot());
  std::set<Partition> all;
  bool is_told = false;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    is_told = is_told || plan_.inputs[i].by != JobInput::By::Nothing;
    all.insert(changes_[i].partitions().begin(), changes_[i].partitions().end());
  }
  // What never ran, and cannot be computed whole any more, is not there.
  std::erase_if(all, [&](const Partition& partition) { return is_final(partition); });
  const auto own_kept_from = lake::kept_from(*output_.snapshot());
  for (const auto& partition : run) {
    if (!own_kept_from || partition.start >= *own_kept_from) all.insert(partition);
  }
  if (!is_told) {
    const auto now_in = partition_at(plan_.job.each, now, zone_);
    const auto microsecond = std::chrono::microseconds(1);
    const auto last = partition_at(plan_.job.each, now_in.start - microsecond, zone_);
    auto at = all.empty() ? last : *all.begin();
    for (; at.start <= last.start; at = next_partition(at, zone_)) all.insert(at);
  }
  return std::vector<Partition>(all.begin(), all.end());
}

Result<bool> Freshness::is_stale(const Partition& partition) {
  std::lock_guard lock(mutex_);
  TRY(advance());
  return is_stale(*output_.snapshot(), partition);
}

bool Freshness::is_final(const Partition& partition) const {
  std::map<std::string, std::shared_ptr<const lake::Snapshot>> inputs;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    inputs.emplace(plan_.inputs[i].table, changes_[i].table().snapshot());
  }
  const auto from = computable_from(plan_, inputs, *output_.snapshot());
  return from && partition.start < *from;
}

std::optional<base::Time> computable_from(
    const JobPlan& plan, const std::map<std::string, std::shared_ptr<const lake::Snapshot>>& inputs,
    const lake::Snapshot& output) {
  if (plan.job.each == Each::None) return std::nullopt;
  auto from = lake::kept_from(output);
  for (const auto& input : plan.inputs) {
    const auto found = inputs.find(input.table);
    // Where nothing tells which rows a partition reads, nothing tells whether they are there.
    if (input.by == JobInput::By::Nothing || found == inputs.end()) continue;
    from = std::max(from, lake::kept_from(*found->second));
  }
  return from;
}

Result<bool> Freshness::is_stale(const lake::Snapshot& output, const Partition& partition) {
  if (is_final(partition)) return false;
  if (!marks_.has_same_sql(output, partition)) return true;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto snapshot = changes_[i].table().snapshot();
    const auto read =
        output.transaction(marks_.input_mark(partition, plan_.inputs[i].table, *snapshot));
    if (!read || TRY(changes_[i].changed_after(*read, partition))) return true;
  }
  return false;
}

Result<void> Freshness::renew_marks() {
  std::lock_guard lock(mutex_);
  TRY(advance());
  const auto output = output_.snapshot();
  lake::Transaction change{.operation = "RENEW MARKS"};
  const auto ran = marks_.partitions(*output);
  for (const auto& partition : ran) {
    std::vector<lake::Transaction::Position> positions;
    bool is_far_behind = false;
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      const auto snapshot = changes_[i].table().snapshot();
      const auto id = marks_.input_mark(partition, plan_.inputs[i].table, *snapshot);
      const auto read = output->transaction(id);
      const auto version = changes_[i].known_until();
      if (!read || *read >= version) continue;
      is_far_behind = is_far_behind || version - *read > kVersionsBehindMax;
      positions.push_back({id, *read, version});
    }
    if (!is_far_behind || TRY(is_stale(*output, partition))) continue;
    change.positions.insert(change.positions.end(), positions.begin(), positions.end());
  }
  if (change.positions.empty()) return {};
  // A run that came in between has moved them itself.
  (void)TRY(output_.commit(change));
  return {};
}

}  // namespace millrace::batch
