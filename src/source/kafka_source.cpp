#include "source/kafka_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "source/events.hpp"
#include "source/kafka_feed.hpp"
#include "source/resting_source.hpp"

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

// Whatever a producer wrote must stay a time that files can hold.
base::Time time_of(std::int64_t milliseconds) {
  constexpr std::int64_t kEndOfYear9999 = 253'402'300'799'999;
  return base::Time(
      std::chrono::milliseconds(std::clamp<std::int64_t>(milliseconds, 0, kEndOfYear9999)));
}

std::string incarnation_of(const KafkaState& state, const config::KafkaSource& source) {
  return fmt::format("{}-{}", source.topic, state.life());
}

KafkaHeaderNames header_names(const config::Source& source) {
  KafkaHeaderNames names;
  for (const auto& header : source.headers) names.insert(header.header);
  return names;
}

}  // namespace

/// What was taken, and what keeps it in memory.
struct KafkaFeed::Batch {
  struct Owner {
    std::shared_ptr<const void> client;  // goes last
    std::vector<std::unique_ptr<rd_kafka_message_s, KafkaEvent::Free>> messages;
    std::vector<std::vector<base::Header>> headers;
  };
  std::shared_ptr<Owner> owner = std::make_shared<Owner>();
  std::vector<base::Record> records;
  std::int64_t tombstones = 0;
  std::uint64_t bytes = 0;
};

KafkaFeed::KafkaFeed(const config::Source& source, KafkaSourceOptions options,
                     const KafkaTools& tools)
    : name_(source.name),
      settings_(std::get<config::KafkaSource>(source.from)),
      headers_(header_names(source)),
      options_(std::move(options)),
      tools_(tools) {}

KafkaFeed::~KafkaFeed() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  group_.reset();  // others may begin with our partitions
}

Result<void> KafkaFeed::open() {
  state_ = TRY(KafkaState::open(tools_.disk, options_.state_folder, settings_.topic));
  incarnation_ = incarnation_of(*state_, settings_);
  cluster_ = TRY(KafkaCluster::open(settings_));
  if (settings_.has_many_workers) {
    group_ = TRY(KafkaGroup::open(
        settings_, {.give_up_max = options_.give_up_max, .on_change = [this] { news_.ring(); }}));
  }
  look_and_tell(options_.first_contact);
  return {};
}

// The first read: what the tables know was handed in.
Result<void> KafkaFeed::begin() {
  if (is_begun_) return {};
  if (!state_->has_begun() && has_marks_) events::state_lost(tools_.telemetry, name_);
  TRY(check_cluster());
  TRY(note_begins());
  is_begun_ = true;
  thread_ = std::jthread([this](const std::stop_token& stopping) { watch(stopping); });
  return {};
}

Result<void> KafkaFeed::note_begins() {
  std::map<ShardId, Offset> begins;
  for (const auto& lane : lanes_) {
    if (lane->is_listed) begins[lane->id] = begin_of(*lane);
  }
  return state_->note_begins(begins);
}

// Where a table begins that has no position.
Offset KafkaFeed::begin_of(const Lane& lane) const {
  if (const auto noted = state_->begin(lane.id)) return *noted;
  if (lane.first || !has_marks_) return lane.first.value_or(lane.start);
  return lane.oldest;  // it came later than the others
}

int KafkaFeed::shard_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(lanes_.size());
}

Offset KafkaFeed::oldest(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  return std::max(begin_of(at(shard)), at(shard).oldest);
}

// As the brokers were asked last, unless reading is further. What an answer with records says
// counts records of transactions that are not done, and those may not be waited for.
Offset KafkaFeed::end(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  const auto& lane = at(shard);
  if (!lane.is_started) return lane.end;
  const auto end = std::max(lane.next, lane.end);
  if (!settings_.reads_uncommitted) return end;
  return std::max(end, Offset(fetch_->end(static_cast<int>(shard.value()))));
}

bool KafkaFeed::may_read(const Lane& lane) const {
  return fetch_ && lane.is_listed && doubts_ == 0 && Steady::now() >= lane.due;
}

bool KafkaFeed::has_news(const Lane& lane, Offset position) const {
  if (lane.error) return true;
  if (!may_read(lane)) return false;
  if (lane.trust == Trust::Asked) return false;
  return !lane.is_started || lane.next != position ||
         fetch_->has(static_cast<int>(lane.id.value()));
}

Result<base::RecordBatch> KafkaFeed::read(ShardId shard, Offset from, std::uint64_t bytes_max) {
  const std::lock_guard lock(mutex_);
  if (fatal_) return *fatal_;
  TRY(begin());
  auto& lane = at(shard);
  if (lane.error) return *lane.error;
  base::RecordBatch out{.shard = shard, .records = {}, .next = from, .owner = {}};
  if (!may_read(lane)) return out;
  if (!is_trusted(lane, from)) return out;
  if (!lane.is_started || lane.next != from) out.next = TRY(start(lane, from));
  if (!lane.is_started) return out;
  Batch batch;
  take(lane, batch, bytes_max);
  out.next = lane.next;
  out.records = std::move(batch.records);
  out.owner = std::move(batch.owner);
  return out;
}

// Before a partition is read on that could not be seen for a while, the watch looks whether the
// last record is the one that was read.
bool KafkaFeed::is_trusted(Lane& lane, Offset from) {
  const auto now = Steady::now();
  if (lane.is_started && now - lane.taken_at > options_.rest_max &&
      fetch_->has(static_cast<int>(lane.id.value()))) {
    lane.trust = Trust::Unknown;
  }
  if (lane.trust == Trust::Known) return true;
  if (lane.trust == Trust::Asked) return false;
  if (const auto proof = lane.proofs.at(lane.is_started ? lane.next : from)) {
    lane.to_check.push_back(*proof);
  }
  std::erase_if(lane.to_check,
                [&](const KafkaProof& proof) { return proof.offset < lane.oldest.value(); });
  lane.trust = lane.to_check.empty() ? Trust::Known : Trust::Asked;
  lane.taken_at = now;
  if (lane.trust == Trust::Known) return true;
  looking_.ring();
  return false;
}

Result<Offset> KafkaFeed::start(Lane& lane, Offset from) {
  if (from < lane.oldest) {
    if (!options_.accepts_lost_records) {
      lane.error = lost(lane, from);
      return *lane.error;
    }
    events::records_lost(tools_.telemetry, name_, fmt::format("partition {}", lane.id.value()),
                         lane.oldest.value());
    from = lane.oldest;
  }
  if (const auto started = fetch_->start(static_cast<int>(lane.id.value()), from.value());
      !started) {
    put_off(lane, started.error().text());
    return from;
  }
  lane.is_started = true;
  lane.is_at_end = false;
  lane.next = from;
  return from;
}

void KafkaFeed::stop(Lane& lane) {
  if (fetch_) fetch_->stop(static_cast<int>(lane.id.value()));
  lane.is_started = false;
  lane.trust = Trust::Unknown;
}

// Tries again later, from where reading stands.
void KafkaFeed::put_off(Lane& lane, std::string trouble) {
  stop(lane);
  const bool was_fine = lane.trouble.empty();
  lane.trouble = fmt::format("partition {}: {}", lane.id.value(), trouble);
  lane.due = Steady::now() + options_.retry_wait;
  events::fetch_failed(tools_.telemetry, name_, false, was_fine, {Code::Unavailable, lane.trouble});
  looking_.ring();
}

void KafkaFeed::take(Lane& lane, Batch& batch, std::uint64_t bytes_max) {
  batch.owner->client = fetch_->owner();
  std::optional<KafkaProof> last;
  std::string_view key, value;
  while (batch.bytes < bytes_max) {
    auto event = fetch_->next(static_cast<int>(lane.id.value()));
    if (!event) break;
    if (event->kind == KafkaEvent::Kind::End) {
      lane.is_at_end = true;
      lane.next = std::max(lane.next, Offset(event->offset));
      continue;
    }
    if (event->kind != KafkaEvent::Kind::Record) {
      put_off(lane, event->text);
      break;
    }
    if (event->offset < lane.next.value()) continue;
    lane.trouble.clear();
    lane.is_at_end = false;
    lane.next = Offset(event->offset).next();
    lane.newest_ms = event->timestamp_ms;
    key = event->key;
    value = event->value;
    last = KafkaProof{.offset = event->offset, .timestamp_ms = event->timestamp_ms};
    batch.bytes += event->key.size() + event->value.size() + event->header_bytes + 1;
    if (event->is_null && settings_.skips_tombstones) {
      ++batch.tombstones;
    } else {
      batch.records.push_back({.offset = Offset(event->offset),
                               .received_at = time_of(event->timestamp_ms),
                               .partition_key = event->key,
                               .bytes = event->value,
                               .headers = event->headers});
      if (!event->headers.empty()) batch.owner->headers.push_back(std::move(event->headers));
    }
    batch.owner->messages.push_back(std::move(event->message));
  }
  if (!last) return;
  lane.taken_at = Steady::now();
  last->hash = kafka_hash(key, value);
  last->cluster = cluster_hash_;
  lane.proofs.put(lane.next, *last);
  events::records_fetched(tools_.telemetry, name_, static_cast<std::int64_t>(batch.records.size()),
                          batch.bytes);
  events::tombstones_skipped(tools_.telemetry, name_, batch.tombstones);
}

bool KafkaFeed::wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                            std::stop_token stop) {
  const auto end = Steady::now() + timeout;
  for (;;) {
    const auto rung = news_.rung();
    {
      const std::lock_guard lock(mutex_);
      if (!fatal_) {
        if (auto begun = begin(); !begun) fail(begun.error());
      }
      if (fatal_) return true;
      for (std::size_t i = 0; i < std::min(positions.size(), lanes_.size()); ++i) {
        if (positions[i] != kNotAskedFor && has_news(*lanes_[i], positions[i])) return true;
      }
    }
    if (stop.stop_requested() || Steady::now() >= end) return false;
    news_.wait(rung, end, stop);
  }
}

std::optional<Mark> KafkaFeed::mark(ShardId shard, Offset position) const {
  const std::lock_guard lock(mutex_);
  return mark_of(at(shard).proofs.at(position).value_or(KafkaProof{.cluster = cluster_hash_}));
}

void KafkaFeed::remember(ShardId shard, Offset position, const Mark& mark) {
  const std::lock_guard lock(mutex_);
  // The brokers may not have answered yet.
  while (lanes_.size() <= static_cast<std::size_t>(shard.value())) {
    lanes_.push_back(
        std::make_unique<Lane>(Lane{.id = ShardId(static_cast<std::int64_t>(lanes_.size()))}));
  }
  auto& lane = at(shard);
  const auto proof = proof_of(mark);
  lane.first = std::min(lane.first.value_or(position), position);
  lane.last = std::max(lane.last.value_or(position), position);
  lane.committed = lane.first;
  lane.proofs.put(position, proof);
  if (proof.offset >= 0) lane.to_check.push_back(proof);
  has_marks_ = true;
  if (proof.cluster != 0) known_cluster_ = proof.cluster;
}

bool KafkaFeed::is_current(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  const auto& lane = at(shard);
  if (lane.is_listed && !is_ours(shard) && lane.trouble.empty() && doubts_ == 0) {
    return Steady::now() - looked_at_ < kCurrentFor;
  }
  return lane.is_started && lane.trouble.empty() && doubts_ == 0 &&
         Steady::now() - looked_at_ < kCurrentFor;
}

bool KafkaFeed::is_ours(ShardId shard) const {
  return !group_ || group_->share()->given.contains(shard);
}

void KafkaFeed::give_up(ShardId shard) {
  {
    const std::lock_guard lock(mutex_);
    auto& lane = at(shard);
    if (lane.is_started) {
      stop(lane);
      events::behind(tools_.telemetry, name_, shard.value(), {});
      lane.committed.reset();
      lane.first.reset();
      lane.trouble.clear();
    }
  }
  if (group_) group_->give_up(shard);
}

std::string KafkaFeed::trouble() const {
  const std::lock_guard lock(mutex_);
  if (fatal_) return fatal_->text();
  for (const auto& lane : lanes_) {
    if (lane->error) return lane->error->text();
  }
  if (!trouble_.empty()) return trouble_;
  if (group_) {
    if (const auto why = group_->trouble(); !why.empty()) {
      return fmt::format("source '{}': the group '{}': {}", name_, settings_.group, why);
    }
  }
  for (const auto& lane : lanes_) {
    if (!lane->trouble.empty()) return lane->trouble;
  }
  return "";
}

Result<void> KafkaFeed::release(std::span<const Offset> positions) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < std::min(positions.size(), lanes_.size()); ++i) {
    lanes_[i]->proofs.release(positions[i]);
    if (is_ours(lanes_[i]->id)) lanes_[i]->committed = positions[i];
  }
  return {};
}

Result<std::unique_ptr<Source>> open_kafka_source(const config::Source& source,
                                                  const KafkaSourceOptions& options,
                                                  const KafkaTools& tools) {
  auto feed = std::make_unique<KafkaFeed>(source, options, tools);
  TRY(feed->open().context(fmt::format("source '{}'", source.name)));
  return std::unique_ptr<Source>(std::move(feed));
}

Result<std::unique_ptr<Source>> open_resting_kafka_source(const config::Source& source,
                                                          os::Disk& disk,
                                                          const os::Path& state_folder) {
  const auto& settings = std::get<config::KafkaSource>(source.from);
  const auto state = TRY(KafkaState::open(disk, state_folder, settings.topic));
  return make_resting_source(incarnation_of(*state, settings));
}

}  // namespace millrace::source
