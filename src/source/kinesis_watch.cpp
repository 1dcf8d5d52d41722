// Looking after the stream: its life, its shards.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "source/events.hpp"
#include "source/kinesis_feed.hpp"
#include "source/kinesis_names.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Result;
using base::ShardId;
using Steady = std::chrono::steady_clock;

namespace {

constexpr auto kWatchPauseMin = std::chrono::milliseconds(500);

}  // namespace

Result<void> KinesisFeed::take_shards(const std::vector<aws::ShardInfo>& shards) {
  std::map<ShardId, const aws::ShardInfo*> listed;
  for (const auto& info : shards) {
    const auto number = TRY(shard_number(info.id).context(fmt::format("source '{}'", name_)));
    listed[number] = &info;
  }
  const auto count = listed.empty() ? 0 : listed.rbegin()->first.value() + 1;
  const bool is_first_time = lanes_.empty();
  for (auto number = static_cast<std::int64_t>(lanes_.size()); number < count; ++number) {
    const auto found = listed.find(ShardId(number));
    auto lane = std::make_unique<Lane>(
        Lane{.shard = KinesisShard(ShardId(number), found == listed.end()
                                                        ? std::optional<log::HashRange>()
                                                        : hash_range_of(*found->second))});
    lane->is_listed = found != listed.end();
    lane->is_ended = !lane->is_listed;
    if (lane->is_listed) {
      lane->name = found->second->id;
      for (const auto* parent : {&found->second->parent, &found->second->adjacent_parent}) {
        const auto of = shard_number(*parent);
        if (of && of->value() < number) lane->parents.push_back(*of);
      }
    }
    if (const auto* quiet = state_->quiet(ShardId(number))) lane->quiet = *quiet;
    lanes_.push_back(std::move(lane));
  }
  if (is_first_time) return {};
  poll_for_ends();
  for (const auto& lane : lanes_) {
    if (!lane->is_listed || listed.contains(lane->shard.id())) continue;
    lane->is_listed = false;
    take_gone(*lane);
  }
  return {};
}

// A subscription tells that its shard ended. Where it has not though the shard had children at the
// last look already, the rest is polled: not every server tells.
void KinesisFeed::poll_for_ends() {
  std::vector<bool> is_parent(lanes_.size());
  for (const auto& lane : lanes_) {
    for (const auto parent : lane->parents)
      is_parent[static_cast<std::size_t>(parent.value())] = true;
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    auto& lane = *lanes_[i];
    const bool is_due =
        lane.has_children && lane.is_fanned_out && !lane.is_behind && !lane.is_ended;
    lane.has_children = is_parent[i];
    if (!is_due) continue;
    lane.is_fanned_out = false;
    --subscription_count_;
    ++lane.epoch;  // ends the subscription
    add_poll_thread();
    fetchable_.notify_all();
  }
}

// A shard that the stream no longer has: it was closed, and all its records are too old.
void KinesisFeed::take_gone(Lane& lane) {
  if (lane.is_ended && lane.is_wanted) return;  // it was read to its end
  lane.is_ended = true;
  const auto ended = state_->ended(lane.shard.id());
  const bool was_read = lane.shard.greatest() > base::Offset(0);
  const bool is_lost = lane.is_wanted || (was_read && !state_->is_new() &&
                                          (!ended || *ended != lane.shard.greatest()));
  if (!is_lost) return;
  if (options_.accepts_lost_records) {
    events::records_lost(tools_.telemetry, name_, lane.name, lane.shard.end().value());
  } else {
    lane.error = lost(lane);
    readable_.notify_all();
  }
}

void KinesisFeed::fail(Error error) {
  fatal_ = std::move(error);
  readable_.notify_all();
  fetchable_.notify_all();
}

void KinesisFeed::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested() && !fatal_) {
    const auto due = watch_due_;
    if (Steady::now() < due) {
      fetchable_.wait_until(lock, stop, due, [&] { return watch_due_ < due; });
      continue;
    }
    watch_due_ = Steady::now() + options_.watch_every;
    lock.unlock();
    const auto looked = look(stop);
    const bool is_stopped = !aws::pause(std::min(kWatchPauseMin, options_.watch_every), stop);
    lock.lock();
    if (is_stopped) return;
    const bool was_fine = watch_trouble_.empty();
    watch_trouble_ = looked ? "" : looked.error().text();
    if (!looked) events::fetch_failed(tools_.telemetry, name_, false, was_fine, looked.error());
    if (Steady::now() < quiet_due_) continue;
    // False alarms are all that its loss could bring.
    quiet_due_ = Steady::now() + options_.watch_every * 10;
    const auto quiet = quiet_shards();
    if (quiet.empty()) continue;
    if (const auto noted = state_->note_quiet(quiet); !noted) {
      events::fetch_failed(tools_.telemetry, name_, false, true, noted.error());
    }
  }
}

// Of which all tables have committed everything that came until some time.
std::map<ShardId, KinesisState::Quiet> KinesisFeed::quiet_shards() const {
  std::map<ShardId, KinesisState::Quiet> shards;
  for (const auto& lane : lanes_) {
    const auto id = lane->shard.id();
    if (!lane->quiet || lane->quiet->position != lane->committed || lane->is_ended) continue;
    const auto* noted = state_->quiet(id);
    if (noted != nullptr && noted->at == lane->quiet->at) continue;
    shards[id] = *lane->quiet;
  }
  return shards;
}

Result<void> KinesisFeed::look(const std::stop_token& stop) {
  auto summary = stream_.describe(stop);
  if (!summary && summary.error().code == Code::NotFound) {
    const std::lock_guard lock(mutex_);
    fail({Code::NotFound,
          fmt::format("source '{}': the Kinesis stream '{}' was deleted", name_, stream_.name())});
    return {};
  }
  if (!summary) return summary.error();
  const auto created =
      std::chrono::floor<std::chrono::milliseconds>(summary->created_at).time_since_epoch().count();
  if (fmt::format("{}", created) != incarnation_) {
    const std::lock_guard lock(mutex_);
    fail({Code::Denied,
          fmt::format("source '{}': the Kinesis stream '{}' was deleted and made anew; what was "
                      "read says nothing about the new one. With --accept-new-source the tables "
                      "keep their rows and read the new stream from its start",
                      name_, stream_.name())});
    return {};
  }
  const auto shards = TRY(stream_.list_shards(stop));
  const std::lock_guard lock(mutex_);
  retention_ = summary->retention;
  auto taken = take_shards(shards);
  if (!taken) fail(taken.error());
  return {};
}

}  // namespace millrace::source
