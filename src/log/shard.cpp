#include "log/shard.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Offset;
using base::RecordBatch;
using base::Result;
using namespace base::literals;

Shard::Shard(const ShardOptions& options, const Surroundings& around)
    : options_(options), around_(around) {}

Result<std::unique_ptr<Shard>> Shard::open(const ShardOptions& options,
                                           const Surroundings& around) {
  std::unique_ptr<Shard> shard(new Shard(options, around));
  TRY(shard->recover());
  return shard;
}

Offset Shard::oldest() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? end_ : segments_.front()->header().base;
}

Offset Shard::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

std::uint64_t Shard::bytes() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? 0 : sealed_bytes_ + segments_.back()->file_bytes();
}

std::size_t Shard::segment_count() const {
  const std::lock_guard lock(mutex_);
  return segments_.size();
}

// What is in a segment came before the next one was begun.
Offset Shard::near(base::Time time) const {
  const std::lock_guard lock(mutex_);
  Offset found = segments_.empty() ? end_ : segments_.front()->header().base;
  for (const auto& segment : segments_) {
    if (segment->header().created_at <= time) found = segment->header().base;
  }
  return found;
}

namespace {

// A segment knows of a write a moment before its shard does: nobody may be ahead of `end()`.
void cut_at(Offset limit, RecordBatch& batch) {
  while (!batch.records.empty() && batch.records.back().offset >= limit) batch.records.pop_back();
  batch.next = std::min(batch.next, limit);
}

}  // namespace

Result<RecordBatch> Shard::read(Offset from, std::uint64_t bytes_max) const {
  SegmentPtr segment;
  SegmentPtr to_close;
  Offset limit;
  {
    const std::lock_guard lock(mutex_);
    limit = end_;
    const Offset first = segments_.empty() ? end_ : segments_.front()->header().base;
    if (from < first) {
      return Error{Code::Exhausted,
                   fmt::format("offset {} of shard {} is no longer retained; the oldest is {}",
                               from.value(), options_.id.value(), first.value()),
                   options_.folder.string()};
    }
    if (from > end_) {
      return Error{
          Code::Corrupt,
          fmt::format("offset {} of shard {} lies beyond its end {}: the log lost records, "
                      "or the position is another log's",
                      from.value(), options_.id.value(), end_.value()),
          options_.folder.string()};
    }
    if (from == end_)
      return RecordBatch{.shard = options_.id, .records = {}, .next = from, .owner = {}};
    // Of segments with the same base the last one rules; the others are empty.
    const auto after = std::ranges::upper_bound(
        segments_, from, {}, [](const SegmentPtr& each) { return each->header().base; });
    segment = *std::prev(after);
    if (last_read_ != segment) to_close = std::exchange(last_read_, segment);
    if (to_close == segments_.back()) to_close.reset();
  }
  if (to_close) to_close->close_file();
  auto batch = segment->read(from, bytes_max);
  if (!batch && batch.error().code == Code::NotFound && from < oldest()) {
    return read(from, bytes_max);  // it was dropped just now: say so
  }
  if (batch) cut_at(limit, *batch);
  return batch;
}

Result<void> Shard::commit(GroupWriter& group) {
  if (active_ && (active_->file_bytes() >= options_.segment_bytes || is_old(around_.clock.now()))) {
    active_ = nullptr;
  }
  GroupWriter none;
  if (!active_) {
    if (auto begun = begin_segment(none); !begun) return failed(std::move(begun).error());
  }
  const auto start = around_.clock.steady_now();
  if (auto written = active_->append(group); !written) {
    return give_up_segment(std::move(written).error());
  }
  around_.events.synced(around_.clock.steady_now() - start);
  const std::lock_guard lock(mutex_);
  end_ = active_->end();
  return {};
}

Result<void> Shard::roll() {
  if (segments_.empty() || segments_.back()->header().base == end_) return {};
  GroupWriter none;
  if (auto begun = begin_segment(none); !begun) return failed(std::move(begun).error());
  return {};
}

bool Shard::is_old(base::Time now) const {
  const std::lock_guard lock(mutex_);
  return !segments_.empty() && segments_.back()->header().base < end_ &&
         now - segments_.back()->header().created_at >= options_.segment_age;
}

void Shard::close() {
  GroupWriter marker;
  if (active_ && active_->end() > active_->header().base) {
    if (auto written = active_->append(marker); !written) {
      around_.events.segment_failed(active_->path(), written.error());
    }
  }
  active_ = nullptr;
}

std::optional<Shard::OldestSegment> Shard::oldest_segment() const {
  const std::lock_guard lock(mutex_);
  if (segments_.size() < 2) return std::nullopt;
  return OldestSegment{.end = segments_[1]->header().base,
                       .ended_at = segments_[1]->header().created_at};
}

// One at a time, each durably: were two removals swapped by a power cut, a gap would be left.
Result<void> Shard::drop_oldest() {
  const SegmentPtr oldest = segments_.front();
  const std::uint64_t bytes = oldest->file_bytes();
  {
    const std::lock_guard lock(mutex_);
    segments_.erase(segments_.begin());
    sealed_bytes_ -= bytes;
    if (last_read_ == oldest) last_read_ = nullptr;
  }
  TRY(around_.disk.remove(oldest->path()));
  TRY(around_.disk.sync_directory(options_.folder));
  around_.events.segment_dropped(oldest->path(), bytes);
  return {};
}

Result<void> Shard::begin_segment(GroupWriter& first) {
  // The segment before is not written to again even if this fails: the new one might be on the disk
  // all the same, and would then overrule what came later.
  active_ = nullptr;
  const SegmentHeader header{.incarnation = options_.incarnation,
                             .sequence = sequence_next_++,
                             .base = end_,
                             .created_at = around_.clock.now(),
                             .shard = options_.id,
                             .salt = static_cast<std::uint32_t>(around_.random.next())};
  auto segment = TRY(Segment::create(around_.disk, options_.folder, header, first));
  around_.events.segment_begun(segment->path());
  const std::lock_guard lock(mutex_);
  if (!segments_.empty()) {
    segments_.back()->seal(end_);
    sealed_bytes_ += segments_.back()->file_bytes();
  }
  end_ = segment->end();
  segments_.push_back(segment);
  active_ = std::move(segment);
  return {};
}

// What the failed write left has the offsets that the next records get. So the next segment, which
// overrules it, is begun before anybody is told, if the disk lets.
Error Shard::give_up_segment(Error error) {
  around_.events.segment_failed(active_->path(), error);
  if (error.code == Code::Exhausted) active_->cut_failed_write();
  GroupWriter none;
  if (auto begun = begin_segment(none); !begun) {
    around_.events.segment_failed(options_.folder, begun.error());
  }
  return failed(std::move(error));
}

Error Shard::failed(Error error) const {
  if (error.code != Code::Exhausted) error.code = Code::Unavailable;
  return error;
}

}  // namespace millrace::log
