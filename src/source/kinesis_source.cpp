#include "source/kinesis_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "source/events.hpp"
#include "source/kinesis_feed.hpp"
#include "source/kinesis_names.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;
using base::ShardId;
using Steady = std::chrono::steady_clock;

namespace {

constexpr Offset kNotAskedFor{INT64_MAX};
// A source that was not asked for so long is not known to be current.
constexpr auto kCurrentFor = std::chrono::seconds(60);

}  // namespace

KinesisFeed::~KinesisFeed() {
  std::vector<std::jthread> threads;
  {
    const std::lock_guard lock(mutex_);
    threads.swap(threads_);
  }
  for (auto& thread : threads) thread.request_stop();
}  // and they are joined

Result<void> KinesisFeed::open() {
  const auto summary = TRY(stream_.describe());
  incarnation_ = incarnation_of(summary);
  const auto shards = TRY(stream_.list_shards());
  if (!settings_.fan_out.empty()) TRY(stream_.consumer(settings_.fan_out));
  const std::lock_guard lock(mutex_);
  retention_ = summary.retention;
  state_ = TRY(KinesisState::open(tools_.disk, options_.state_folder, incarnation_));
  if (settings_.start == config::KinesisSource::Start::Latest) start_ = tools_.clock.now();
  if (settings_.start == config::KinesisSource::Start::Time) start_ = settings_.start_at;
  watch_due_ = Steady::now() + options_.watch_every;
  quiet_due_ = watch_due_;
  return take_shards(shards);
}

// The first read: all marks are known.
Result<void> KinesisFeed::begin() {
  if (is_begun_) return {};
  if (state_->is_new()) {
    if (has_marks_ && settings_.start == config::KinesisSource::Start::Latest) {
      return Error{Code::Denied,
                   fmt::format("source '{}': tables have read it before, but the folder that knew "
                               "when 'start: latest' was is gone. Set 'start:' to the time from "
                               "which shards that were never read are to be read",
                               name_),
                   options_.state_folder.string()};
    }
    if (has_marks_) events::state_lost(tools_.telemetry, name_);
    TRY(state_->begin(start_));
  }
  start_ = state_->start();
  for (const auto& lane : lanes_) {
    if (!lane->is_listed) take_gone(*lane);
  }
  is_begun_ = true;
  threads_.emplace_back([this](const std::stop_token& stop) { watch(stop); });
  return {};
}

int KinesisFeed::shard_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(lanes_.size());
}

bool KinesisFeed::is_closed(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  return at(shard).is_ended;
}

std::vector<ShardId> KinesisFeed::parents(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  return at(shard).parents;
}

// Where a table begins that has read nothing yet. What came before the first known place cannot be
// numbered unless the shard's first record is still there.
Offset KinesisFeed::oldest(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  const auto& lane = at(shard);
  const auto smallest = lane.shard.smallest();
  if (!smallest) return Offset(0);
  const auto* first = state_->first(shard);
  // With some time to read it before it goes.
  const auto kept_since = tools_.clock.now() - retention_ / 10 * 9;
  return first != nullptr && lane.is_listed && first->arrived_at > kept_since ? Offset(0)
                                                                              : *smallest;
}

Offset KinesisFeed::end(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  return at(shard).shard.end();
}

Result<base::RecordBatch> KinesisFeed::read(ShardId shard, Offset from, std::uint64_t bytes_max) {
  const std::lock_guard lock(mutex_);
  TRY(begin());
  if (fatal_) return *fatal_;
  auto& lane = at(shard);
  if (lane.error) return *lane.error;
  if (!lane.is_listed && !lane.is_wanted) {  // gone before it was read in this life
    if (from < lane.shard.end() && !options_.accepts_lost_records) return lost(lane);
    const auto next = std::max(from, lane.shard.end());
    return base::RecordBatch{.shard = shard, .records = {}, .next = next, .owner = {}};
  }
  if (!lane.shard.leads_to(from)) seek(lane, from);
  if (!lane.is_wanted) start_threads(lane);
  const auto before = lane.shard.bytes();
  auto batch = lane.shard.take(from, bytes_max);
  if (lane.shard.bytes() < before) {
    bytes_ -= before - lane.shard.bytes();
    fetchable_.notify_all();
  }
  return batch;
}

void KinesisFeed::seek(Lane& lane, Offset from) {
  bytes_ -= lane.shard.bytes();
  lane.shard.seek(from);
  ++lane.epoch;
  lane.iterator.clear();
  lane.is_ended = false;
  lane.has_to_fit = !lane.shard.after().empty() || state_->first(lane.shard.id()) != nullptr;
  lane.due = Steady::now();
  fetchable_.notify_all();
}

void KinesisFeed::start_threads(Lane& lane) {
  lane.is_wanted = true;
  ++wanted_count_;
  if (!settings_.fan_out.empty() && subscription_count_ < options_.subscriptions_max) {
    ++subscription_count_;
    lane.is_fanned_out = true;
    threads_.emplace_back(
        [this, &lane](const std::stop_token& stop) { run_subscription(lane, stop); });
    return;
  }
  add_poll_thread();
  fetchable_.notify_all();
}

void KinesisFeed::add_poll_thread() {
  if (poll_thread_count_ >= options_.poll_threads) return;
  ++poll_thread_count_;
  threads_.emplace_back([this](const std::stop_token& stop) { run_polls(stop); });
}

bool KinesisFeed::wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                              std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return readable_.wait_for(lock, std::move(stop), timeout, [&] {
    if (fatal_) return true;
    const auto count = std::min(positions.size(), lanes_.size());
    for (std::size_t i = 0; i < count; ++i) {
      if (positions[i] == kNotAskedFor) continue;
      if (lanes_[i]->error || lanes_[i]->shard.has(positions[i])) return true;
    }
    return false;
  });
}

std::optional<Mark> KinesisFeed::mark(ShardId shard, Offset position) const {
  const std::lock_guard lock(mutex_);
  const auto place = at(shard).shard.place(position);
  return place ? mark_of(*place) : std::nullopt;
}

void KinesisFeed::remember(ShardId shard, Offset position, const Mark& mark) {
  const std::lock_guard lock(mutex_);
  // Old shards that the stream no longer lists may all be gone from its end.
  while (lanes_.size() <= static_cast<std::size_t>(shard.value())) {
    lanes_.push_back(std::make_unique<Lane>(
        Lane{.shard = KinesisShard(ShardId(static_cast<std::int64_t>(lanes_.size())), {})}));
    lanes_.back()->is_listed = false;
    lanes_.back()->is_ended = true;
  }
  auto& lane = at(shard);
  lane.shard.remember(position, place_of(mark));
  lane.committed = std::min(lane.committed.value_or(position), position);
  has_marks_ = true;
}

bool KinesisFeed::is_current(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  const auto& lane = at(shard);
  if (lane.is_ended) return true;
  return lane.is_wanted && !lane.is_behind && Steady::now() - lane.current_at < kCurrentFor;
}

std::string KinesisFeed::trouble() const {
  const std::lock_guard lock(mutex_);
  if (fatal_) return fatal_->text();
  for (const auto& lane : lanes_) {
    if (lane->error) return lane->error->text();
    if (!lane->trouble.empty()) return lane->trouble;
  }
  return watch_trouble_;
}

Result<void> KinesisFeed::release(std::span<const Offset> positions) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < std::min(positions.size(), lanes_.size()); ++i) {
    lanes_[i]->shard.release(positions[i]);
    lanes_[i]->committed = positions[i];
  }
  return {};
}

Result<std::unique_ptr<Source>> open_kinesis_source(const config::Source& source,
                                                    const KinesisSourceOptions& options,
                                                    const KinesisTools& tools) {
  const auto* kinesis = std::get_if<config::KinesisSource>(&source.from);
  if (kinesis == nullptr) {
    return Error{Code::Invalid, fmt::format("source '{}' reads no Kinesis stream", source.name),
                 source.place.text()};
  }
  const auto what = fmt::format("source '{}'", source.name);
  auto stream =
      aws::Kinesis::open(tools.client, {.stream = kinesis->stream, .region = kinesis->region});
  if (!stream) {
    auto error = std::move(stream).context(what).error();
    error.message += ". The source's keys `stream` and `region` say which it is, and where";
    return error;
  }
  auto feed = std::make_unique<KinesisFeed>(source, options, tools, std::move(*stream));
  if (auto opened = feed->open(); !opened) {
    auto error = std::move(opened).context(what).error();
    if (error.code == Code::NotFound) {
      error.message +=
          ". Make the stream first, or look at 'stream:', the region (AWS_REGION) and "
          "the account of the credentials";
    }
    if (error.code == Code::Unavailable || error.code == Code::Unknown) {
      error.message +=
          ". Is the endpoint right (AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL, AWS_REGION), and "
          "the network up?";
    }
    return error;
  }
  return std::unique_ptr<Source>(std::move(feed));
}

}  // namespace millrace::source
