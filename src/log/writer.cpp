#include "log/writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;
using namespace base::literals;

// What one write and sync take at most, but for a single larger append.
constexpr std::uint64_t kGroupBytes = 16_MiB;
constexpr auto kRetentionEvery = std::chrono::seconds(1);

}  // namespace

Writer::Writer(Parts parts)
    : options_(parts.options),
      shards_(parts.shards),
      clock_(parts.clock),
      events_(parts.events),
      retention_time_(parts.retention_time),
      map_(std::move(parts.map)) {
  measure();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

std::shared_ptr<const ShardMap> Writer::map() const {
  const std::lock_guard lock(mutex_);
  return map_;
}

bool Writer::append(PendingAppend& append) {
  std::optional<Error> error;
  {
    const std::lock_guard lock(mutex_);
    if (append.map != map_) return false;
    error = refusal(append);
    if (!error) {
      queue_bytes_ += append.bytes;
      ++queued_;
      queue_.push_back(std::move(append));
    }
  }
  if (!error) {
    wake_.notify_one();
    return true;
  }
  if (error->code == Code::Exhausted) events_.append_refused();
  append.appended(std::move(*error), append.records);
  return true;
}

void Writer::change_map(std::shared_ptr<const ShardMap> map) {
  std::unique_lock lock(mutex_);
  map_ = std::move(map);
  const std::uint64_t before = queued_;
  durable_.wait(lock, [&] { return written_ >= before; });
}

std::optional<Error> Writer::refusal(const PendingAppend& append) {
  if (is_closed_)
    return Error{Code::Cancelled, fmt::format("stream '{}' is closed", options_.name)};
  if (queue_bytes_ > 0 && queue_bytes_ + append.bytes > options_.queue_bytes_max) {
    if (full_ == Full::No) set_full(Full::Queue);
    return Error{Code::Exhausted,
                 fmt::format("{} wait to be written to stream '{}', {} is the limit: slow down",
                             base::format_bytes(queue_bytes_), options_.name,
                             base::format_bytes(options_.queue_bytes_max))};
  }
  if (disk_bytes_ + queue_bytes_ + append.bytes > options_.retention_bytes) {
    if (full_ != Full::Log) {
      set_full(Full::Log);
      is_retention_due_ = true;
      wake_.notify_one();
    }
    return Error{Code::Exhausted,
                 fmt::format("stream '{}' holds {} that its readers have not all committed, {} is "
                             "the limit: slow down",
                             options_.name, base::format_bytes(disk_bytes_ + queue_bytes_),
                             base::format_bytes(options_.retention_bytes))};
  }
  return std::nullopt;
}

void Writer::release(std::span<const Offset> positions) {
  {
    const std::lock_guard lock(mutex_);
    released_.resize(shards_.size(), Offset(0));
    for (std::size_t i = 0; i < std::min(positions.size(), released_.size()); ++i) {
      released_[i] = std::max(released_[i], positions[i]);
    }
    is_retention_due_ = true;
  }
  wake_.notify_one();
}

bool Writer::wait(const std::function<bool()>& is_there, std::chrono::microseconds timeout,
                  std::stop_token stop) {
  std::unique_lock lock(mutex_);
  durable_.wait_for(lock, std::move(stop), timeout, [&] { return is_closed_ || is_there(); });
  return is_there();
}

StreamStatus Writer::status() const {
  const std::lock_guard lock(mutex_);
  return {.shards = {},
          .queue_bytes = queue_bytes_,
          .is_full = full_ != Full::No,
          .last_error = last_error_};
}

void Writer::close() {
  const std::lock_guard closing(close_mutex_);
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  thread_.request_stop();
  thread_.join();
  durable_.notify_all();
}

void Writer::run(const std::stop_token& stop) {
  for (;;) {
    bool is_retention_due = false;
    {
      std::unique_lock lock(mutex_);
      const bool has_work = wake_.wait_for(lock, stop, kRetentionEvery,
                                           [&] { return !queue_.empty() || is_retention_due_; });
      if (queue_.empty() && stop.stop_requested()) break;
      is_retention_due = std::exchange(is_retention_due_, false) || !has_work;
    }
    if (is_retention_due) retain();
    auto appends = take_group();
    if (!appends.empty()) commit(appends);
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i].close();
}

std::vector<PendingAppend> Writer::take_group() {
  const std::lock_guard lock(mutex_);
  std::vector<PendingAppend> appends;
  for (std::uint64_t bytes = 0; !queue_.empty(); queue_.pop_front()) {
    bytes += queue_.front().bytes;
    if (!appends.empty() && bytes > kGroupBytes) break;
    appends.push_back(std::move(queue_.front()));
  }
  return appends;
}

void Writer::commit(std::vector<PendingAppend>& appends) {
  groups_.resize(shards_.size());
  auto ranges = encode(appends);
  std::vector<Outcome> outcomes(groups_.size());
  for (std::size_t shard = 0; shard < groups_.size(); ++shard) {
    if (groups_[shard].is_empty()) continue;
    outcomes[shard].first = shards_[shard].end();
    if (auto done = shards_[shard].commit(groups_[shard]); !done) {
      outcomes[shard].error = std::move(done).error();
    }
    groups_[shard].clear();
  }
  after_group(appends, outcomes);
  for (std::size_t i = 0; i < appends.size(); ++i) {
    std::optional<Error> error;
    for (auto& range : ranges[i]) {
      const Outcome& outcome = outcomes[static_cast<std::size_t>(range.shard.value())];
      if (outcome.error && !error) error = outcome.error;
      range.first = outcome.first.plus(range.first.value());
      range.end = outcome.first.plus(range.end.value());
    }
    if (error) {
      appends[i].appended(std::move(*error), appends[i].records);
    } else {
      appends[i].appended(std::move(ranges[i]), appends[i].records);
    }
  }
}

// Returns each append's ranges, counted from the group's first record.
std::vector<std::vector<OffsetRange>> Writer::encode(const std::vector<PendingAppend>& appends) {
  std::vector<std::vector<OffsetRange>> ranges(appends.size());
  constexpr auto kUntouched = UINT32_MAX;
  before_.resize(groups_.size(), kUntouched);
  for (std::size_t i = 0; i < appends.size(); ++i) {
    for (const auto& record : appends[i].records) {
      const auto shard = static_cast<std::size_t>(record.shard.value());
      GroupWriter& group = groups_[shard];
      if (before_[shard] == kUntouched) {
        before_[shard] = group.record_count();
        ranges[i].push_back({.shard = record.shard, .first = Offset(group.record_count())});
      }
      group.add(record.partition_key, record.bytes, appends[i].received_at);
    }
    std::ranges::sort(ranges[i], {}, &OffsetRange::shard);
    for (auto& range : ranges[i]) {
      const auto shard = static_cast<std::size_t>(range.shard.value());
      range.end = Offset(groups_[shard].record_count());
      before_[shard] = kUntouched;
    }
  }
  return ranges;
}

void Writer::after_group(const std::vector<PendingAppend>& appends,
                         const std::vector<Outcome>& outcomes) {
  measure();
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  for (const auto& append : appends) {
    bytes += append.bytes;
    records += append.records.size();
  }
  const auto failed = std::ranges::find_if(outcomes, [](const auto& o) { return !!o.error; });
  if (failed == outcomes.end()) events_.appended(appends.size(), records, bytes);
  {
    const std::lock_guard lock(mutex_);
    queue_bytes_ -= bytes;
    written_ += appends.size();
    const bool had_error = !last_error_.empty();
    last_error_ = failed == outcomes.end() ? "" : failed->error->text();
    if (failed != outcomes.end()) {
      if (failed->error->code == Code::Exhausted) set_full(Full::Disk);
    } else {
      if (had_error) events_.recovered_from_failure();
      const bool is_queue_low = queue_bytes_ <= options_.queue_bytes_max / 2;
      if (full_ == Full::Disk || (full_ == Full::Queue && is_queue_low)) set_full(Full::No);
    }
  }
  durable_.notify_all();
}

void Writer::retain() {
  std::vector<Offset> released;
  bool needs_room = false;
  {
    const std::lock_guard lock(mutex_);
    released = released_;
    needs_room = full_ == Full::Log;
  }
  const auto now = clock_.now();
  if (options_.origin == Origin::Api) released.assign(shards_.size(), Offset(INT64_MAX));
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const bool is_all_released = i < released.size() && released[i] >= shards_[i].end();
    if (!shards_[i].is_old(now) && !(needs_room && is_all_released)) continue;
    if (auto rolled = shards_[i].roll(); !rolled) events_.drop_failed(rolled.error());
  }
  measure();
  while (drop_one(now, released)) measure();
  const std::lock_guard lock(mutex_);
  const bool has_room = disk_bytes_ + queue_bytes_ < options_.retention_bytes / 8 * 7;
  if (full_ == Full::Log && has_room) set_full(Full::No);
}

// Drops the segment that ended first, if every reader has released it and it is old or in the way.
bool Writer::drop_one(base::Time now, const std::vector<Offset>& released) {
  Shard* oldest = nullptr;
  base::Time ended_at = base::Time::max();
  for (std::size_t i = 0; i < released.size(); ++i) {
    const auto segment = shards_[i].oldest_segment();
    if (!segment || segment->end > released[i] || segment->ended_at >= ended_at) continue;
    oldest = &shards_[i];
    ended_at = segment->ended_at;
  }
  if (oldest == nullptr) return false;
  const bool is_expired = now - ended_at >= retention_time_.load();
  const bool may_go_early = options_.origin == Origin::Pipeline;
  const bool is_in_the_way = disk_bytes_ > options_.retention_bytes / 4 * 3;
  if (!is_expired && !(may_go_early && is_in_the_way)) return false;
  auto dropped = oldest->drop_oldest();
  if (!dropped) events_.drop_failed(dropped.error());
  return dropped.has_value();
}

void Writer::measure() {
  std::uint64_t bytes = 0;
  std::size_t segments = 0;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    bytes += shards_[i].bytes();
    segments += shards_[i].segment_count();
  }
  disk_bytes_ = bytes;
  events_.sizes(segments, bytes);
}

void Writer::set_full(Full full) {
  if (full == full_) return;
  full_ = full;
  events_.full_changed(full);
}

}  // namespace millrace::log
