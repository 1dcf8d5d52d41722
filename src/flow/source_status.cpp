#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "flow/events.hpp"
#include "flow/source_loop.hpp"

// The part of SourceLoop that other threads ask for: messages, status, and waiting for something to
// be done.
namespace millrace::flow {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

namespace {

// After a micro-batch that could not be taken: until the next try.
constexpr auto kApplyWait = std::chrono::milliseconds(100);
constexpr auto kMendWait = std::chrono::milliseconds(1'000);
constexpr std::uint64_t kBatchBytesMin = 16U << 10;

}  // namespace

void SourceLoop::add_replay(std::unique_ptr<ReplaySource> replay) {
  {
    std::lock_guard lock(mutex_);
    new_replays_.push_back(std::move(replay));
  }
  parts_.stream->wake();
}

void SourceLoop::committed(std::size_t table, CommitJob job) {
  {
    std::lock_guard lock(mutex_);
    committed_.emplace_back(table, std::move(job));
    changed_.notify_all();
  }
  parts_.stream->wake();
}

void SourceLoop::commit_failed(std::size_t table, const Error& error) {
  std::lock_guard lock(mutex_);
  status_[table].error = error.text();
  ++commit_failures_;
  changed_.notify_all();
}

// Up to which event time the committed rows of a shard go; now, if nothing has come for a while.
std::optional<base::Time> SourceLoop::committed_until(std::size_t table, std::size_t shard) const {
  const auto& lane = lanes_.front();
  const auto number = lane.shards[shard].id;
  const auto id = id_of(table, shard);
  const auto& progress = parts_.tables[table]->progress(id);
  const bool is_committed = progress.committed.value_or(0) == progress.next;
  const bool is_at_end =
      parts_.stream->end(number).value() <= progress.next && parts_.stream->is_current(number);
  if (is_committed && is_at_end && lane.is_idle(shard, parts_.tools->clock.steady_now())) {
    return parts_.tools->clock.now();
  }
  const auto found = states_[table].committed_events.find(id);
  return found == states_[table].committed_events.end() ? std::nullopt
                                                        : std::optional(found->second);
}

std::optional<base::Time> SourceLoop::watermark_of(std::size_t table) const {
  const auto lateness =
      parts_.source->event_time ? parts_.source->event_time->lateness : microseconds(0);
  std::optional<base::Time> watermark;
  for (std::size_t i = 0; i < lanes_.front().shards.size(); ++i) {
    const auto time = committed_until(table, i);
    if (!time) return std::nullopt;
    watermark = std::min(watermark.value_or(*time), *time);
  }
  if (watermark) *watermark -= lateness;
  return watermark;
}

// Waits a little, unless it is for good. If it is memory that lacks, fewer records are read then.
Result<void> SourceLoop::leave_untaken(Error error) {
  const auto is_for_good = [&] {
    return error.code == Code::Corrupt || error.code == Code::Invalid;
  };
  if (!is_for_good()) {
    if (auto passed_over = pass_over_abandoned(); !passed_over) {
      error = std::move(passed_over).error();
    }
  }
  tell_untaken(error);
  if (is_for_good()) return error;
  const bool has_to_be_mended = error.code == Code::Denied || error.code == Code::NotFound;
  if (error.code != Code::Unavailable && !has_to_be_mended) {
    batch_bytes_ = std::max(kBatchBytesMin, batch_bytes_ / 4);
  }
  std::this_thread::sleep_for(has_to_be_mended ? kMendWait : kApplyWait);
  return {};
}

// The log has each reason once: it may last. What a service calls each request is another one each
// time.
void SourceLoop::tell_untaken(const Error& error) {
  auto reason = error.message;
  if (const auto at = reason.find(" [request "); at != std::string::npos) {
    reason.erase(at, reason.find(']', at) + 1 - at);
  }
  const bool is_new = unreadable_ != reason;
  events::micro_batch_failed(parts_.tools->telemetry, parts_.source->name, error, is_new);
  if (!is_new) return;
  unreadable_ = std::move(reason);
  publish_status();
}

void SourceLoop::publish_status() {
  if (is_shared_) follow_others();
  const auto& lane = lanes_.front();
  bool has_all = true;
  std::vector<TableStatus> status(parts_.tables.size());
  std::vector<base::Offset> reached(lane.shards.size(), base::Offset(INT64_MAX));
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    const auto& table = *parts_.tables[i];
    auto& one = status[i];
    one.name = table.name();
    one.source = parts_.source->name;
    one.hot_rows = table.rows()->row_count() + states_[i].sealed_rows;
    one.hot_bytes = table.hot_bytes() + states_[i].sealed_bytes;
    one.committed_at = states_[i].committed_at;
    one.watermark = watermark_of(i);
    one.halted = table.halted();
    one.is_shared = is_shared_;
    one.source_error = parts_.stream->trouble();
    if (one.source_error.empty()) one.source_error = unreadable_;
    for (std::size_t s = 0; s < lane.shards.size(); ++s) {
      const auto shard = lane.shards[s].id;
      auto id = table.app_id(parts_.source->name, lane.incarnation, shard.value());
      const auto& progress = table.progress(id);
      has_all = has_all && lane.shards[s].is_ours;
      one.positions.push_back({.shard = shard,
                               .app_id = std::move(id),
                               .next = progress.next,
                               .committed = progress.committed,
                               .is_ours = lane.shards[s].is_ours,
                               .until = committed_until(i, s)});
      if (one.halted.empty()) reached[s] = std::min(reached[s], base::Offset(progress.next));
    }
    one.lag_records = lag_of(one);
    events::gauges(parts_.tools->telemetry, one.name, one.hot_rows, one.hot_bytes, one.lag_records);
  }
  published_at_ = parts_.tools->clock.steady_now();
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < status_.size(); ++i) status[i].error = status_[i].error;
  status_ = std::move(status);
  reached_ = std::move(reached);
  has_all_shards_ = has_all;
  // A replay is this worker's for good: also when it is done, its alerts may not have ended.
  std::erase_if(held_, [](const auto& one) { return one.first >= 0; });
  for (const auto& any : lanes_) {
    for (const auto& shard : any.shards) {
      if (shard.is_ours) held_[static_cast<std::int32_t>(shard.id.value())] = shard.given;
    }
  }
  changed_.notify_all();
}

std::int64_t SourceLoop::lag_of(const TableStatus& table) const {
  std::int64_t lag = 0;
  for (const auto& position : table.positions) {
    if (!position.is_ours) continue;
    const auto end = parts_.stream->end(position.shard).value();
    lag += std::max<std::int64_t>(0, end - position.next);
  }
  if (is_shared_) return lag;
  // Shards that came since: nobody has begun with them.
  for (int i = static_cast<int>(table.positions.size()); i < parts_.stream->shard_count(); ++i) {
    const base::ShardId shard(i);
    lag += parts_.stream->end(shard).value() - parts_.stream->oldest(shard).value();
  }
  return lag;
}

// What was published may be a moment old; who sees no lag must find every record that is durable
// now.
std::vector<TableStatus> SourceLoop::status() const {
  std::unique_lock lock(mutex_);
  auto status = status_;
  lock.unlock();
  for (auto& table : status) table.lag_records = lag_of(table);
  return status;
}

Result<void> SourceLoop::catch_up(microseconds timeout) {
  std::vector<base::Offset> ends;
  for (int i = 0; i < parts_.stream->shard_count(); ++i) {
    ends.push_back(parts_.stream->end(base::ShardId(i)));
  }
  std::unique_lock lock(mutex_);
  const auto is_there = [&] {
    for (std::size_t i = 0; i < ends.size(); ++i) {
      const auto reached = i < reached_.size() ? reached_[i] : base::Offset(0);
      if (reached < ends[i]) return false;
    }
    return true;
  };
  if (!changed_.wait_for(lock, timeout, [&] { return ended_ || is_there(); })) {
    return Error{Code::Unavailable,
                 fmt::format("'{}' has not read all its records yet", parts_.source->name)};
  }
  if (!is_there()) return *ended_;
  return {};
}

Result<void> SourceLoop::commit_now(std::optional<base::SteadyTime> until) {
  std::unique_lock lock(mutex_);
  const auto mine = ++commits_asked_;
  const auto failures = commit_failures_;
  lock.unlock();
  parts_.stream->wake();
  lock.lock();
  const auto is_over = [&] {
    return ended_ || commits_done_ >= mine || commit_failures_ != failures;
  };
  if (!until) {
    changed_.wait(lock, is_over);
  } else if (!changed_.wait_until(lock, *until, is_over)) {
    return Error{Code::Unavailable, "the commit is not done in time"};
  }
  if (commits_done_ >= mine) return {};
  if (ended_) return *ended_;
  const auto failed = std::ranges::find_if(status_, [](const auto& s) { return !s.error.empty(); });
  return Error{Code::Unavailable, failed == status_.end() ? "a commit failed" : failed->error};
}

}  // namespace millrace::flow
