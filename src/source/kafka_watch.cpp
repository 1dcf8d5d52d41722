// Looking after the topic: its partitions, where they begin and end, whether it is still the same.
#include <fmt/format.h>

#include <algorithm>

#include "source/events.hpp"
#include "source/kafka_feed.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;
using base::ShardId;
using Steady = std::chrono::steady_clock;

namespace {

// So many looks in a row must agree: a broker that has just become a partition's leader may be
// behind for a moment.
constexpr int kDoubtsMax = 3;
constexpr auto kTellAgain = std::chrono::seconds(5);
constexpr auto kFaultFor = std::chrono::seconds(15);
constexpr std::uint64_t kPartitionBytesMin = 64 << 10;

std::int64_t milliseconds(base::Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

}  // namespace

Error KafkaFeed::lost(const Lane& lane, Offset from) const {
  return {Code::Exhausted,
          fmt::format("source '{}': records of partition {} from offset {} on are no longer "
                      "retained: the topic '{}' begins at {} there, and they were not read in "
                      "time. With --accept-lost-records reading goes on behind them",
                      name_, lane.id.value(), from.value(), settings_.topic, lane.oldest.value())};
}

void KafkaFeed::fail(Error error) {
  fatal_ = std::move(error);
  news_.ring();
}

// That the topic's life is over is written down before it is said: the next start is of another.
Result<void> KafkaFeed::made_anew(std::string_view why) {
  TRY(state_->end_life());
  fail({Code::Denied,
        fmt::format("source '{}': the topic '{}' was deleted and made anew, or its brokers lost "
                    "records: {}. What was read says nothing about what is there now. Start again "
                    "with --accept-new-source, and the tables keep their rows and read the topic "
                    "from its start",
                    name_, settings_.topic, why)});
  return *fatal_;
}

bool KafkaFeed::needs_starts(std::size_t partitions) const {
  for (std::size_t i = 0; i < partitions; ++i) {
    if (i >= lanes_.size()) return true;
    if (!state_->begin(lanes_[i]->id) && !lanes_[i]->first) return true;
  }
  return false;
}

Result<KafkaFeed::Look> KafkaFeed::look(std::chrono::milliseconds timeout) {
  using Start = config::KafkaSource::Start;
  std::unique_lock lock(mutex_);
  auto read = all_read();
  lock.unlock();
  const auto count = TRY(cluster_->partition_count(timeout));
  Look look{.cluster = cluster_->id(timeout),
            .oldest = {},
            .end = {},
            .starts = {},
            .read = std::move(read)};
  look.oldest = TRY(cluster_->offsets(count, KafkaCluster::kOldest, timeout));
  look.end = TRY(cluster_->offsets(count, KafkaCluster::kEnd, timeout));
  lock.lock();
  const bool needs = needs_starts(look.end.size());
  // What came with a later partition, or a topic that was accepted, came after the start.
  const bool is_first = !state_->has_begun() && state_->life() == 1 && lanes_.empty();
  lock.unlock();
  look.starts = look.oldest;
  if (!needs || state_->life() > 1 || settings_.start == Start::Earliest) return look;
  if (settings_.start == Start::Latest) {
    if (is_first) look.starts = look.end;
    return look;
  }
  look.starts = TRY(cluster_->offsets(count, milliseconds(settings_.start_at), timeout));
  for (std::size_t i = 0; i < look.starts.size(); ++i) {
    if (look.starts[i] < 0) look.starts[i] = look.end[i];  // all are older
  }
  return look;
}

Result<void> KafkaFeed::take_look(const Look& look) {
  if (!look.cluster.empty()) cluster_hash_ = kafka_hash({}, look.cluster);
  if (is_begun_) TRY(check_cluster());
  TRY(take_partitions(look));
  const auto why = doubt(look);
  doubts_ = why.empty() ? 0 : doubts_ + 1;
  if (doubts_ > 0) {
    for (const auto& lane : lanes_) stop(*lane);
    if (doubts_ >= kDoubtsMax && is_begun_) return made_anew(why);
    return Error{Code::Unavailable, why};
  }
  for (std::size_t i = 0; i < look.end.size(); ++i) {
    auto& lane = *lanes_[i];
    if (Offset(look.oldest[i]) < lane.oldest) stop(lane);  // and the last record is looked at
    lane.oldest = Offset(look.oldest[i]);
    lane.end = Offset(look.end[i]);
  }
  looked_at_ = Steady::now();
  return open_fetch();
}

// New ones are shown when it is durable where they begin.
Result<void> KafkaFeed::take_partitions(const Look& look) {
  std::map<ShardId, Offset> begins;
  for (std::size_t i = 0; i < look.end.size(); ++i) {
    const ShardId id(static_cast<std::int64_t>(i));
    const bool is_new = i >= lanes_.size();
    if (!is_new && lanes_[i]->is_listed) continue;
    Lane lane{.id = id};
    lane.start = Offset(look.starts[i]);
    if (!is_new) lane.first = lanes_[i]->first;
    begins[id] = begin_of(lane);
  }
  if (is_begun_) TRY(state_->note_begins(begins));
  for (const auto& [id, begin] : begins) {
    if (id.value() >= static_cast<std::int64_t>(lanes_.size())) {
      lanes_.push_back(std::make_unique<Lane>(Lane{.id = id}));
    }
    auto& lane = at(id);
    lane.start = begin;
    lane.oldest = Offset(look.oldest[static_cast<std::size_t>(id.value())]);
    lane.is_listed = true;
  }
  if (is_begun_ && !begins.empty()) {
    events::partitions_found(tools_.telemetry, name_, begins.size(), lanes_.size());
  }
  return {};
}

Result<void> KafkaFeed::open_fetch() {
  if (fetch_ || lanes_.empty()) return {};
  fetch_ = TRY(KafkaFetch::open(settings_,
                                {.partition_bytes_max = std::max<std::uint64_t>(
                                     kPartitionBytesMin, options_.buffer_bytes_max / lanes_.size()),
                                 .answer_bytes_max = options_.answer_bytes_max,
                                 .headers = headers_,
                                 .on_ready = [this] { news_.ring(); }}));
  return {};
}

// Of the partitions there are.
std::vector<Offset> KafkaFeed::all_read() const {
  std::vector<Offset> read;
  for (const auto& lane : lanes_) {
    read.push_back(lane->last.value_or(Offset(0)));
    if (lane->is_started) read.back() = std::max(read.back(), lane->next);
  }
  return read;
}

// What speaks against its being the topic that was read; empty: nothing.
std::string KafkaFeed::doubt(const Look& look) const {
  if (look.end.size() < lanes_.size()) {
    return fmt::format("it has {} partitions, and {} were read", look.end.size(), lanes_.size());
  }
  // What was read since the brokers were asked may well lie behind the end that they told.
  for (std::size_t i = 0; i < look.read.size(); ++i) {
    if (Offset(look.end[i]) >= look.read[i]) continue;
    return fmt::format("partition {} ends at offset {}, and was read up to {}", i, look.end[i],
                       look.read[i].value());
  }
  return "";
}

Result<void> KafkaFeed::check_cluster() {
  if (!known_cluster_ || cluster_hash_ == 0 || *known_cluster_ == cluster_hash_) return {};
  return made_anew("it is a topic of another cluster");
}

// What is wrong with the record that should be `proof`; empty: nothing. One that is not there was
// taken away, by compaction or for its age.
Result<std::string> KafkaFeed::check_record(const Lane& lane, const KafkaProof& proof) {
  const auto partition = static_cast<int>(lane.id.value());
  const auto found = TRY(cluster_->find(partition, proof.offset, options_.ask_timeout));
  if (!found || found->offset != proof.offset) return std::string();
  if (found->timestamp_ms == proof.timestamp_ms &&
      kafka_hash(found->key, found->value) == proof.hash) {
    return std::string();
  }
  return fmt::format("at offset {} of partition {} is another record than was read there",
                     proof.offset, partition);
}

// Of the partitions that wait for it.
Result<void> KafkaFeed::check_records() {
  std::vector<Lane*> asked;  // they stay where they are
  {
    const std::lock_guard lock(mutex_);
    for (const auto& lane : lanes_) {
      if (lane->trust == Trust::Asked) asked.push_back(lane.get());
    }
  }
  for (auto* lane : asked) {
    std::unique_lock lock(mutex_);
    const auto proofs = lane->to_check;
    lock.unlock();
    for (const auto& proof : proofs) {
      const auto why = TRY(check_record(*lane, proof));
      if (why.empty()) continue;
      lock.lock();
      return made_anew(why);
    }
    lock.lock();
    if (lane->trust != Trust::Asked) continue;
    lane->trust = Trust::Known;
    lane->to_check.clear();
    lane->taken_at = Steady::now();
    news_.ring();
  }
  return {};
}

void KafkaFeed::tell_behind() const {
  const auto now = milliseconds(tools_.clock.now());
  for (const auto& lane : lanes_) {
    if (!lane->is_started) continue;
    const bool is_behind = !lane->is_at_end && lane->next < lane->end && lane->newest_ms > 0;
    const auto behind = is_behind ? std::max<std::int64_t>(0, now - lane->newest_ms) : 0;
    events::behind(tools_.telemetry, name_, lane->id.value(), std::chrono::milliseconds(behind));
  }
}

// Brokers that tell of the topic may still not give what is in it: an answer that is too large. A
// connection that broke tells as well; so it counts only while there is something to fetch.
Result<void> KafkaFeed::check_fetch() {
  const auto now = Steady::now();
  if (auto fault = fetch_->take_fault(); !fault.empty()) {
    fault_ = std::move(fault);
    fault_at_ = now;
  }
  const bool is_behind = std::ranges::any_of(
      lanes_, [](const auto& lane) { return lane->is_started && lane->next < lane->end; });
  if (fault_.empty() || !is_behind || now - fault_at_ > kFaultFor) return {};
  return Error{Code::Unavailable, fmt::format("records cannot be fetched: {}", fault_)};
}

void KafkaFeed::look_and_tell(std::chrono::milliseconds timeout) {
  Result<void> taken;
  if (fetch_) taken = check_records();  // only we make it
  auto looked = taken ? look(timeout) : taken.error();
  const std::lock_guard lock(mutex_);
  if (looked) {
    taken = take_look(*looked);
  } else {
    taken = looked.error();
    if (looked.error().code == Code::NotFound) {
      for (const auto& lane : lanes_) stop(*lane);  // it may come back as another
    }
  }
  if (taken && fetch_) taken = check_fetch();
  const bool was_fine = trouble_.empty() || !looked_at_.time_since_epoch().count();
  const auto text = taken ? "" : fmt::format("source '{}': {}", name_, taken.error().text());
  if (!taken && !fatal_) {
    events::fetch_failed(tools_.telemetry, name_, false, was_fine || text != trouble_,
                         {taken.error().code, text});
  }
  trouble_ = text;
}

// Only how far all tables are, and only for who watches the group.
void KafkaFeed::tell_group() {
  if (settings_.group.empty()) return;
  // Nobody says whether the brokers took them, so all are told again now and then.
  if (const auto now = Steady::now(); now - told_all_at_ >= kTellAgain) {
    told_.clear();
    told_all_at_ = now;
  }
  std::map<int, std::int64_t> offsets;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& lane : lanes_) {
      if (!lane->committed || !is_ours(lane->id)) continue;
      const auto partition = static_cast<int>(lane->id.value());
      const auto offset = lane->committed->value();
      if (told_[partition] != offset) offsets[partition] = told_[partition] = offset;
    }
  }
  if (offsets.empty()) return;
  if (group_) {
    group_->tell(offsets);
  } else {
    cluster_->tell_group(offsets);
  }
}

void KafkaFeed::watch(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto rung = looking_.rung();
    look_and_tell(options_.ask_timeout);
    tell_group();
    if (group_) {
      const auto now = group_->share();
      events::shared(tools_.telemetry, name_, now->given.size(),
                     now->rebalances - rebalances_told_);
      rebalances_told_ = now->rebalances;
    }
    {
      const std::lock_guard lock(mutex_);
      if (fatal_) return;
      tell_behind();
    }
    looking_.wait(rung, Steady::now() + options_.watch_every, stop);
  }
}

}  // namespace millrace::source
