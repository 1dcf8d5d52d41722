#include "flow/delivery.hpp"

#include <algorithm>

#include "flow/alert_events.hpp"

namespace millrace::flow {
namespace {

using base::Result;
using std::chrono::microseconds;
using namespace std::chrono_literals;

constexpr auto kLookEvery = 500ms;
constexpr auto kAfterFailure = 1s;
// Many micro-batches a second are looked at together: each look has its price.
constexpr auto kBetweenLooks = 2ms;
// Rows that ended, but behind one that has not.
constexpr std::size_t kHeldMax = 100'000;

}  // namespace

Delivery::Delivery(Parts parts)
    : parts_(std::move(parts)),
      outbox_({.name = parts_.name,
               .sink = std::move(parts_.sink),
               .dead_letter = std::move(parts_.dead_letter),
               .clock = parts_.clock,
               .random = parts_.random,
               .telemetry = parts_.telemetry,
               .options = parts_.outbox,
               .settle = [this](AlertMessage message, AlertOutcome outcome) {
                 const bool is_kept = parts_.keeps_all_rows || outcome != AlertOutcome::Sent;
                 settle(std::move(message), outcome, is_kept ? Keep::Yes : Keep::No);
               }}) {
  if (parts_.ours) {
    parts_.reader.read_only({}, {});
    return;
  }
  for (const auto& [shard, position] : parts_.positions) progress_.begin(shard, position);
}

void Delivery::start() {
  outbox_.start();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Delivery::stop(microseconds grace) {
  thread_ = {};  // asks it to stop, and waits
  outbox_.stop(grace);
}

bool Delivery::has_room() const {
  if (outbox_.is_full() || parts_.has_to_wait()) return false;
  if (parts_.gate.open_bytes() >= parts_.outbox.bytes_max) return false;
  std::lock_guard lock(mutex_);
  return progress_.held() < kHeldMax;
}

void Delivery::run(const std::stop_token& stop) {
  std::uint64_t seen = 0;
  bool has_all = true;
  while (!stop.stop_requested()) {
    send_gathered();
    if (!has_room()) {
      outbox_.wait_for_room(50ms, stop);
      std::this_thread::sleep_for(1ms);  // others than the outbox may have no room
      has_all = false;
      continue;
    }
    if (has_all) {
      auto rest = std::chrono::duration_cast<microseconds>(kLookEvery);
      if (const auto next = parts_.gate.next_flush()) {
        const auto left = std::chrono::ceil<microseconds>(*next - parts_.clock.steady_now());
        rest = std::clamp(left, microseconds(0), rest);
      }
      const auto newest = parts_.board.wait_beyond(seen, rest, stop);
      if (newest != seen) std::this_thread::sleep_for(kBetweenLooks);
      seen = newest;
    }
    has_all = true;
    auto done = take_share();
    const auto cut = parts_.board.cut();
    if (done)
      done = parts_.reader.read(cut->tables.at(parts_.name.table), parts_.engine,
                                [&](AlertReader::Step step) {
                                  has_all = take(std::move(step));
                                  return has_all && !stop.stop_requested();
                                });
    if (done) continue;
    events::alert_reading_failed(parts_.telemetry, parts_.name, done.error());
    (void)parts_.board.wait_beyond(UINT64_MAX, kAfterFailure, stop);
    has_all = false;
  }
}

// Shards come and go. What came is taken up where whoever had it wrote down that it was.
Result<void> Delivery::take_share() {
  if (!parts_.ours) return {};
  const auto now = parts_.ours();
  if (now == ours_) return {};  // only this thread writes it
  std::set<std::int32_t> kept, all;
  for (const auto& [shard, given] : now) {
    all.insert(shard);
    const auto had = ours_.find(shard);
    if (had != ours_.end() && had->second == given) kept.insert(shard);
  }
  parts_.reader.read_only(kept, {});
  const bool has_gained = kept.size() < all.size();
  {
    std::lock_guard lock(mutex_);
    for (const auto& [shard, given] : ours_) {
      if (!kept.contains(shard)) progress_.forget(shard);
    }
    std::erase_if(ours_, [&](const auto& one) { return !kept.contains(one.first); });
  }
  if (!has_gained) return {};
  const auto start = TRY(parts_.start());
  parts_.reader.read_only(all, start);
  std::lock_guard lock(mutex_);
  for (const auto shard : all) {
    if (kept.contains(shard)) continue;
    const auto found = start.positions.find(shard);
    progress_.begin(shard, found == start.positions.end() ? 0 : found->second);
  }
  ours_ = now;
  return {};
}

bool Delivery::take(AlertReader::Step step) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& row : step.rows) progress_.add(row.at);
    for (const auto& [shard, offset] : step.reached) progress_.reach(shard, offset);
  }
  const auto now = parts_.clock.steady_now();
  for (auto& row : step.rows) {
    if (!row.error.empty()) {
      events::alert_dead(parts_.telemetry, parts_.name, row.id, 0, row.error);
      if (row.data.size() > kAlertBytesMax) row.data = "null";
      auto error = row.error;
      settle({std::move(row), "", AlertOutcome::Dead, 0, std::move(error), {}}, Keep::Yes);
      continue;
    }
    auto passed = parts_.gate.pass(std::move(row), now);
    if (passed.is_suppressed) {
      settle({std::move(passed.row), "", AlertOutcome::Suppressed, 0, "", {}}, Keep::Yes);
    }
    for (auto& message : passed.messages) outbox_.put(std::move(message));
  }
  send_gathered();
  return step.rows.empty() || has_room();
}

void Delivery::send_gathered() {
  const auto all = is_in_hurry_ ? AlertGate::All::Yes : AlertGate::All::No;
  for (auto& message : parts_.gate.flush(parts_.clock.steady_now(), all)) {
    outbox_.put(std::move(message));
  }
}

void Delivery::settle(AlertMessage message, AlertOutcome outcome, Keep keep) {
  if (outcome == AlertOutcome::Dead) {
    events::alert_dead(parts_.telemetry, parts_.name, message.id, message.attempts, message.error);
  }
  for (auto& row : message.rows) {
    settle({std::move(row), message.id, outcome, message.attempts, message.error, {}}, keep);
  }
}

void Delivery::settle(SettledRow settled, Keep keep) {
  const auto now = parts_.clock.now();
  const auto& row = settled.row;
  const auto outcome = settled.outcome;
  events::alert_settled(parts_.telemetry, parts_.name, row, outcome, now - row.received_at);
  settled.settled_at = now;
  std::lock_guard lock(mutex_);
  progress_.settle(row.at);
  if (keep == Keep::Yes) settled_.push_back(std::move(settled));
  if (outcome == AlertOutcome::Sent) {
    ++sent_;
    sent_at_ = now;
  }
  dead_ += outcome == AlertOutcome::Dead ? 1 : 0;
  suppressed_ += outcome == AlertOutcome::Suppressed ? 1 : 0;
}

Settled Delivery::take_settled() {
  std::lock_guard lock(mutex_);
  return {std::exchange(settled_, {}), progress_.positions()};
}

AlertAttempt Delivery::send_again(AlertMessage message) {
  auto attempt = outbox_.send_now(message);
  ++message.attempts;
  message.error = attempt.error;
  settle(std::move(message),
         attempt.what == AlertAttempt::What::Sent ? AlertOutcome::Sent : AlertOutcome::Dead,
         Keep::Yes);
  return attempt;
}

std::int64_t Delivery::behind(const Reached& positions) const {
  const auto cut = parts_.board.cut();
  const auto table = cut->tables.find(parts_.name.table);
  if (table == cut->tables.end()) return 0;
  std::int64_t behind = 0;
  const auto ours = parts_.ours ? std::optional(parts_.ours()) : std::nullopt;
  for (const auto& [shard, end] : parts_.reader.ends(table->second)) {
    if (ours && !ours->contains(shard)) continue;
    const auto position = positions.find(shard);
    behind += std::max<std::int64_t>(0, end - (position == positions.end() ? 0 : position->second));
  }
  return behind;
}

bool Delivery::is_done() const {
  return status().behind == 0;
}

DeliveryStatus Delivery::status() const {
  Reached positions;
  DeliveryStatus status{.name = parts_.name};
  {
    std::lock_guard lock(mutex_);
    positions = progress_.positions();
    status.sent = sent_;
    status.dead = dead_;
    status.suppressed = suppressed_;
    status.sent_at = sent_at_;
  }
  status.behind = behind(positions);
  auto outbox = outbox_.status();
  status.queued = outbox.messages;
  status.retries = outbox.retries;
  status.error = std::move(outbox.error);
  return status;
}

}  // namespace millrace::flow
