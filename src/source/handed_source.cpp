#include "source/handed_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/arena.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;
using base::ShardId;

namespace {

constexpr Offset kNotAskedFor{INT64_MAX};

/// Records, and the numbers that they were given.
struct Numbered {
  std::shared_ptr<const aws::StreamRecords> records;
  base::Arena numbers{4096};
};

// As long a text as the number is great, so that all of them compare as numbers do.
std::string arrival_number(std::int64_t position) {
  return std::to_string(position + 1);
}

}  // namespace

HandedSource::HandedSource(HandedSourceOptions options) : options_(std::move(options)) {
  grow(static_cast<std::size_t>(options_.shard_count));
}

void HandedSource::grow(std::size_t count) {
  while (lanes_.size() < count) {
    lanes_.push_back(std::make_unique<Lane>(ShardId(static_cast<std::int64_t>(lanes_.size()))));
  }
}

void HandedSource::set_range(ShardId shard, std::optional<log::HashRange> range) {
  const std::lock_guard lock(mutex_);
  grow(static_cast<std::size_t>(shard.value()) + 1);
  at(shard).shard.set_range(range);
}

void HandedSource::hand(ShardId shard, aws::StreamRecords records) {
  CHECK(records.owner || records.records.empty());  // who reads them may need them for longer
  const std::lock_guard lock(mutex_);
  grow(static_cast<std::size_t>(shard.value()) + 1);
  auto& lane = at(shard);
  lane.records = std::make_shared<const aws::StreamRecords>(std::move(records));
  lane.is_new = true;
  lane.is_placed = lane.is_taken = lane.is_empty();
  lane.committed.reset();
  lane.gap.reset();
  auto next = std::make_shared<Share>(*share_);
  next->given[shard] = ++gifts_;
  share_ = std::move(next);
  changed_.notify_all();
}

void HandedSource::take_back(ShardId shard) {
  const std::lock_guard lock(mutex_);
  auto& lane = at(shard);
  lane.records.reset();
  lane.shard.seek(lane.shard.end());
}

Result<void> HandedSource::wait_taken(ShardId shard, std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  auto& lane = at(shard);
  const auto is_over = [&] { return lane.is_taken || lane.gap || failure_; };
  if (!changed_.wait_until(lock, until, is_over)) {
    return Error{
        Code::Unavailable,
        fmt::format("source '{}': its tables have not taken all records in time", options_.name)};
  }
  if (failure_) return *failure_;
  if (lane.gap) return *lane.gap;
  return {};
}

void HandedSource::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = error;
  changed_.notify_all();
}

std::size_t HandedSource::committed(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  const auto& lane = at(shard);
  if (!lane.is_placed || !lane.committed) return 0;
  const auto left = std::ranges::upper_bound(lane.ends, *lane.committed);
  return static_cast<std::size_t>(left - lane.ends.begin());
}

int HandedSource::shard_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(lanes_.size());
}

Offset HandedSource::oldest(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  return at(shard).oldest.value_or(Offset(0));
}

Offset HandedSource::end(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  return at(shard).shard.end();
}

// Where the tables stand is known now.
void HandedSource::place(Lane& lane) const {
  if (options_.numbering == HandedSourceOptions::Numbering::Arrival) {
    // A copy: after a conflict with another process they get other numbers.
    const auto memory = std::make_shared<Numbered>();
    memory->records = lane.records;
    auto numbered = std::make_shared<aws::StreamRecords>();
    numbered->records = lane.records->records;
    numbered->owner = memory;
    auto next = lane.shard.greatest().value();
    for (auto& record : numbered->records) {
      record.sequence_number = memory->numbers.keep(arrival_number(next++));
    }
    lane.shard.seek(lane.shard.greatest());
    lane.ends = lane.shard.add(std::move(numbered));
  } else {
    lane.shard.seek_for(lane.records->records);
    lane.ends = lane.shard.add(lane.records);
  }
  lane.is_placed = true;
}

Result<base::RecordBatch> HandedSource::read(ShardId shard, Offset from, std::uint64_t bytes_max) {
  const std::lock_guard lock(mutex_);
  auto& lane = at(shard);
  if (lane.is_empty()) return base::RecordBatch{shard, {}, from, {}};
  if (!lane.is_placed) place(lane);
  if (from < lane.shard.begin()) return skip_gap(lane, from);
  auto batch = lane.shard.take(from, bytes_max);
  if (from >= lane.shard.end() && !lane.is_taken) {
    lane.is_taken = true;
    changed_.notify_all();
  }
  return batch;
}

// What the table stands before will not come: it was handed in when others took it.
base::RecordBatch HandedSource::skip_gap(Lane& lane, Offset from) {
  base::RecordBatch nothing{lane.shard.id(), {}, from, {}};
  if (options_.numbering == HandedSourceOptions::Numbering::Arrival ||
      options_.accepts_lost_records) {
    nothing.next = lane.shard.begin();
    return nothing;
  }
  lane.gap =
      Error{Code::NotFound,
            fmt::format(
                "source '{}', shard {}: a table stands at record {}, and what was handed in "
                "begins with record {}: those between came before the table was there. Run the "
                "file with `millrace run` until the table has them, if the stream still does, or "
                "set MILLRACE_ACCEPT_LOST_RECORDS=1 to go on without them",
                options_.name, lane.shard.id().value(), from.value(), lane.shard.begin().value())};
  changed_.notify_all();
  return nothing;
}

bool HandedSource::wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                               std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const auto wakes = wakes_;
  return changed_.wait_for(lock, std::move(stop), timeout, [&] {
    if (wakes_ != wakes) return true;
    const auto count = std::min(positions.size(), lanes_.size());
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (std::exchange(lanes_[i]->is_new, false)) return true;
      if (i < count && positions[i] != kNotAskedFor && lanes_[i]->shard.has(positions[i])) {
        return true;
      }
    }
    return false;
  });
}

void HandedSource::wake() {
  const std::lock_guard lock(mutex_);
  ++wakes_;
  changed_.notify_all();
}

std::optional<Mark> HandedSource::mark(ShardId shard, Offset position) const {
  const std::lock_guard lock(mutex_);
  if (options_.numbering == HandedSourceOptions::Numbering::Arrival) {
    // Its number says it all: also of positions that others gave away.
    if (position <= Offset(0)) return std::nullopt;
    return mark_of({arrival_number(position.value() - 1), 0});
  }
  const auto place = at(shard).shard.place(position);
  return place ? mark_of(*place) : std::nullopt;
}

void HandedSource::remember(ShardId shard, Offset position, const Mark& mark) {
  const std::lock_guard lock(mutex_);
  grow(static_cast<std::size_t>(shard.value()) + 1);
  auto& lane = at(shard);
  const auto place = place_of(mark);
  const Offset begin(position.value() - place.skip);
  if (begin > Offset(0)) lane.oldest = std::min(lane.oldest.value_or(begin), begin);
  lane.shard.remember(position, place);
  lane.is_placed = lane.is_taken = lane.is_empty();
}

std::shared_ptr<const Share> HandedSource::share() const {
  const std::lock_guard lock(mutex_);
  return share_;
}

Result<void> HandedSource::release(std::span<const Offset> positions) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < std::min(positions.size(), lanes_.size()); ++i) {
    lanes_[i]->committed = positions[i];
    lanes_[i]->shard.release(positions[i]);
  }
  return {};
}

}  // namespace millrace::source
