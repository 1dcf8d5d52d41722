// Fetching: polling and subscriptions.
#include <fmt/format.h>

#include <algorithm>

#include "source/events.hpp"
#include "source/kinesis_feed.hpp"

namespace millrace::source {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

namespace {

constexpr int kRecordsMax = 10'000;
// Five reads a second and shard are allowed; others may read, too.
constexpr auto kBusyPace = milliseconds(250);
constexpr std::uint64_t kShareBytesMin = 1_MiB;
constexpr int kTroubleFailures = 5;  // of throttling
constexpr int kDoublingsMax = 4;

}  // namespace

aws::ReadFrom KinesisFeed::read_from(const Lane& lane) const {
  using What = aws::ReadFrom::What;
  // At, not after: whether that record is there tells whether records may have been lost.
  if (!lane.shard.after().empty()) {
    return {.what = What::AtSequenceNumber, .sequence_number = lane.shard.after()};
  }
  if (const auto* first = state_->first(lane.shard.id())) {
    return {.what = What::AtSequenceNumber, .sequence_number = first->sequence_number};
  }
  if (start_) return {.what = What::Time, .time = *start_};
  return {};
}

bool KinesisFeed::has_room(const Lane& lane) const {
  const auto share =
      std::max(options_.buffer_bytes_max / std::max<std::size_t>(1, wanted_count_), kShareBytesMin);
  return bytes_ < options_.buffer_bytes_max && lane.shard.bytes() < share;
}

KinesisFeed::Lane* KinesisFeed::next_due(base::SteadyTime now, base::SteadyTime& wake_at) {
  Lane* next = nullptr;
  for (const auto& lane : lanes_) {
    const bool is_over = lane->is_ended || lane->error || !lane->is_listed;
    if (!lane->is_wanted || lane->is_busy || lane->is_fanned_out || is_over) continue;
    if (!has_room(*lane)) continue;
    wake_at = std::min(wake_at, lane->due);
    if (lane->due <= now && (next == nullptr || lane->due < next->due)) next = lane.get();
  }
  return next;
}

void KinesisFeed::run_polls(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested() && !fatal_) {
    const auto now = Steady::now();
    auto wake_at = now + std::chrono::seconds(1);
    if (auto* lane = next_due(now, wake_at)) {
      poll(*lane, lock, stop);
    } else {
      fetchable_.wait_until(lock, stop, wake_at, [] { return false; });
    }
  }
}

void KinesisFeed::poll(Lane& lane, std::unique_lock<std::mutex>& lock,
                       const std::stop_token& stop) {
  const auto epoch = lane.epoch;
  const auto from = read_from(lane);
  auto iterator = lane.iterator;
  if (iterator.empty()) lane.has_to_fit = from.what == aws::ReadFrom::What::AtSequenceNumber;
  lane.is_busy = true;
  lock.unlock();
  const auto started = Steady::now();
  auto page = fetch(lane.name, iterator, from, stop);
  lock.lock();
  lane.is_busy = false;
  if (epoch != lane.epoch || stop.stop_requested()) return;
  if (!page) return failed(lane, page.error());
  if (!*page) {
    lane.iterator.clear();  // it expired
    return;
  }
  lane.iterator = (*page)->next;
  const bool is_current = (*page)->behind == milliseconds(0);
  const auto pace = is_current ? settings_.poll_every : std::min(kBusyPace, settings_.poll_every);
  lane.due = started + pace;
  take_page(lane, std::move(**page));
}

Result<std::optional<aws::RecordPage>> KinesisFeed::fetch(const std::string& shard,
                                                          std::string& iterator,
                                                          const aws::ReadFrom& from,
                                                          const std::stop_token& stop) {
  if (iterator.empty()) iterator = TRY(stream_.shard_iterator(shard, from, stop));
  return stream_.records(iterator, kRecordsMax, stop);
}

void KinesisFeed::failed(Lane& lane, const Error& error) {
  if (error.code == Code::Cancelled) return;
  const bool is_throttled = error.code == Code::Exhausted;
  const bool is_first = lane.failures == 0 && std::ranges::all_of(lanes_, [](const auto& other) {
                          return other->failures == 0;
                        });
  events::fetch_failed(tools_.telemetry, name_, is_throttled, is_first, error);
  const auto most = options_.retry_wait * (1 << std::min(lane.failures, kDoublingsMax));
  ++lane.failures;
  const auto wait = tools_.random.below(static_cast<std::uint64_t>(most.count()) + 1);
  lane.due = Steady::now() + milliseconds(wait);
  if (!is_throttled || lane.failures >= kTroubleFailures) lane.trouble = error.text();
  if (error.code != Code::NotFound && error.code != Code::Invalid) return;
  lane.iterator.clear();
  watch_due_ = Steady::now();  // is it still the same stream?
  fetchable_.notify_all();
}

// Whether something may be gone between `after` and what is retained.
bool KinesisFeed::may_be_lost(const Lane& lane) const {
  const auto& quiet = lane.quiet;
  return !quiet || quiet->position != lane.shard.end() ||
         quiet->at + retention_ <= tools_.clock.now();
}

Error KinesisFeed::lost(const Lane& lane) const {
  return {
      Code::Exhausted,
      fmt::format("source '{}': records of {} behind position {} are no longer retained, or "
                  "may not have been: Kinesis keeps them for {} hours, and they were not read "
                  "in that time. With --accept-lost-records reading goes on behind them",
                  name_,
                  lane.name.empty() ? fmt::format("shard {}", lane.shard.id().value()) : lane.name,
                  lane.shard.end().value(), retention_.count())};
}

// False: `page` is of no use.
bool KinesisFeed::can_go_on(Lane& lane, const aws::RecordPage& page) {
  const auto* first = state_->first(lane.shard.id());
  const auto fits = lane.shard.fits(page, first != nullptr ? first->sequence_number : "");
  if (fits == KinesisShard::Fits::Unclear) return false;
  lane.has_to_fit = false;
  if (fits == KinesisShard::Fits::Yes || !may_be_lost(lane)) return true;
  if (!options_.accepts_lost_records) {
    lane.error = lost(lane);
    readable_.notify_all();
    return false;
  }
  events::records_lost(tools_.telemetry, name_, lane.name, lane.shard.end().value());
  if (lane.shard.skip_ahead()) {
    ++lane.epoch;
    lane.iterator.clear();
    lane.due = Steady::now();
    return false;
  }
  return true;
}

void KinesisFeed::take_page(Lane& lane, aws::RecordPage page) {
  lane.failures = 0;
  lane.trouble.clear();
  const auto shard = lane.shard.id();
  if (lane.has_to_fit && !can_go_on(lane, page)) return;
  // Durably, before it is given out: from now on the shard begins with this record.
  if (lane.shard.after().empty() && !page.records.records.empty()) {
    const auto& record = page.records.records.front();
    const auto* first = state_->first(shard);
    if (first == nullptr || first->sequence_number != record.sequence_number) {
      const auto noted =
          state_->note_first(shard, {std::string(record.sequence_number), record.arrived_at});
      if (!noted) {
        lane.iterator.clear();
        return failed(lane, noted.error());
      }
    }
  }
  const auto bytes = lane.shard.bytes();
  const auto end = lane.shard.end();
  lane.is_behind = page.behind != milliseconds(0) && !page.is_end;
  const auto behind = page.behind;
  const bool is_end = page.is_end;
  lane.shard.add(std::move(page));
  bytes_ += lane.shard.bytes() - bytes;
  events::records_fetched(tools_.telemetry, name_, lane.shard.end().value() - end.value(),
                          lane.shard.bytes() - bytes);
  if (behind) events::behind(tools_.telemetry, name_, shard.value(), *behind);
  if (!lane.is_behind) {
    lane.current_at = Steady::now();
    lane.quiet = {lane.shard.end(), tools_.clock.now()};
  }
  if (is_end) {
    lane.is_ended = true;
    if (const auto noted = state_->note_ended(shard, lane.shard.end()); !noted) {
      events::fetch_failed(tools_.telemetry, name_, false, true, noted.error());
    }
    events::shard_ended(tools_.telemetry, name_, lane.name, lane.shard.end().value());
    watch_due_ = Steady::now();  // its children
    fetchable_.notify_all();
  }
  readable_.notify_all();
}

void KinesisFeed::run_subscription(Lane& lane, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  std::string consumer;
  const auto is_over = [&] {
    return lane.is_ended || lane.error || fatal_ || !lane.is_listed || !lane.is_fanned_out;
  };
  while (!stop.stop_requested() && !is_over()) {
    const auto now = Steady::now();
    if (lane.due > now || !has_room(lane)) {
      const auto until = lane.due > now ? lane.due : now + std::chrono::seconds(1);
      fetchable_.wait_until(lock, stop, until, [&] { return lane.due <= now && has_room(lane); });
      continue;
    }
    const auto epoch = lane.epoch;
    const auto from = read_from(lane);
    lane.has_to_fit = from.what == aws::ReadFrom::What::AtSequenceNumber;
    const auto on_page = [&](aws::RecordPage page) -> Result<void> {
      std::unique_lock mine(mutex_);
      if (epoch == lane.epoch) take_page(lane, std::move(page));
      // Nothing more is received while there is no room: the sender has to wait.
      fetchable_.wait(mine, stop,
                      [&] { return has_room(lane) || epoch != lane.epoch || is_over(); });
      if (epoch == lane.epoch && !lane.error && !stop.stop_requested()) return {};
      return Error{Code::Cancelled, "not wanted any more"};
    };
    lock.unlock();
    Result<void> ended;
    if (consumer.empty()) {
      auto asked = stream_.consumer(settings_.fan_out, stop);
      if (asked) consumer = std::move(*asked);
      if (!asked) ended = asked.error();
    }
    if (ended) ended = stream_.subscribe(consumer, lane.name, from, on_page, stop);
    lock.lock();
    if (epoch != lane.epoch || is_over()) continue;
    if (ended) {
      lane.due = now + settings_.poll_every;  // it ends after five minutes: the next one
      continue;
    }
    if (ended.error().code == Code::NotFound) consumer.clear();
    failed(lane, ended.error());
  }
}

}  // namespace millrace::source
