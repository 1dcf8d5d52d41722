#include "flow/alert_outbox.hpp"

#include <algorithm>

#include "flow/alert_events.hpp"

namespace millrace::flow {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

constexpr auto kLongestRest = 10min;
constexpr int kDeadLetterAttempts = 3;
constexpr auto kDeadLetterPause = 300ms;

}  // namespace

void AlertOutbox::start() {
  const auto calls = std::max<std::size_t>(1, parts_.sink->calls_max());
  for (std::size_t i = 0; i < calls; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
  }
}

void AlertOutbox::stop(microseconds grace) {
  {
    std::unique_lock lock(mutex_);
    is_ending_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, grace, [&] { return calls_ == 0; });
  }
  threads_.clear();  // asks them to stop, and waits
}

void AlertOutbox::put(AlertMessage message) {
  std::lock_guard lock(mutex_);
  ++messages_;
  bytes_ += message.bytes();
  queue_.emplace(parts_.clock.steady_now(), std::move(message));
  changed_.notify_all();
}

bool AlertOutbox::is_full() const {
  std::lock_guard lock(mutex_);
  return messages_ >= parts_.options.messages_max || bytes_ >= parts_.options.bytes_max;
}

void AlertOutbox::wait_for_room(microseconds timeout, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, timeout, [&] {
    return messages_ < parts_.options.messages_max && bytes_ < parts_.options.bytes_max;
  });
}

AlertOutbox::Status AlertOutbox::status() const {
  std::lock_guard lock(mutex_);
  return {messages_, bytes_, retries_, error_};
}

void AlertOutbox::run(const std::stop_token& stop) {
  for (;;) {
    auto messages = take(stop);
    if (messages.empty()) return;
    const auto attempts = attempt(*parts_.sink, messages, stop);
    finish(std::move(messages), attempts, stop);
  }
}

// While the receiver fails, one call at a time asks whether it is back.
bool AlertOutbox::can_send(base::SteadyTime now) const {
  if (queue_.empty() || queue_.begin()->first > now) return false;
  if (paused_until_ && *paused_until_ > now) return false;
  return !is_failing_ || calls_ == 0;
}

// What is due, as much as one call takes; nothing when it is time to end.
AlertOutbox::Messages AlertOutbox::take(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto now = parts_.clock.steady_now();
    if (is_ending_ || stop.stop_requested()) return {};
    if (can_send(now)) break;
    auto rest = std::chrono::duration_cast<microseconds>(kLongestRest);
    if (!queue_.empty() && (!is_failing_ || calls_ == 0)) {
      const auto due = std::max(queue_.begin()->first, paused_until_.value_or(now));
      rest = std::min(rest, std::chrono::ceil<microseconds>(due - now));
    }
    changed_.wait_for(lock, stop, rest,
                      [&] { return is_ending_ || can_send(parts_.clock.steady_now()); });
  }
  const auto now = parts_.clock.steady_now();
  const std::size_t count = is_failing_ ? 1 : parts_.sink->messages_max();
  Messages messages;
  std::size_t bytes = 0;
  while (messages.size() < count && !queue_.empty() && queue_.begin()->first <= now) {
    bytes += queue_.begin()->second.bytes();
    if (!messages.empty() && bytes > kAlertBytesMax) break;
    auto node = queue_.extract(queue_.begin());
    messages.push_back(std::move(node.mapped()));
  }
  ++calls_;
  return messages;
}

std::vector<AlertAttempt> AlertOutbox::attempt(AlertSink& sink, const Messages& messages,
                                               const std::stop_token& stop) const {
  std::vector<std::string> bodies;
  for (const auto& message : messages) {
    bodies.push_back(encode_body(parts_.name, message, parts_.options.is_bare));
  }
  std::vector<OutgoingAlert> outgoing;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& message = messages[i];
    outgoing.push_back({.id = message.id,
                        .alert = parts_.name.alert,
                        .group = message.group ? *message.group : message.id,
                        .order = message.group ? *message.group : parts_.name.alert,
                        .body = bodies[i]});
  }
  auto attempts = sink.send(outgoing, stop);
  CHECK(attempts.size() == messages.size());
  return attempts;
}

AlertAttempt AlertOutbox::send_now(const AlertMessage& message) {
  return attempt(*parts_.sink, {message}, {}).front();
}

void AlertOutbox::finish(Messages messages, const std::vector<AlertAttempt>& attempts,
                         const std::stop_token& stop) {
  bool has_sent = false, has_failed = false;
  std::uint64_t bytes = 0;
  std::size_t gone = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto& message = messages[i];
    const auto size = message.bytes();
    const auto what = attempts[i].what;
    // What was broken off is sent again in the next life.
    if (what == AlertAttempt::What::Retry && stop.stop_requested()) continue;
    ++message.attempts;
    if (what != AlertAttempt::What::Sent) message.error = attempts[i].error;
    has_sent = has_sent || what == AlertAttempt::What::Sent;
    has_failed = has_failed || what == AlertAttempt::What::Retry;
    if (what == AlertAttempt::What::Retry && try_again(message, attempts[i])) continue;
    if (what != AlertAttempt::What::Sent) bury(message, stop);
    parts_.settle(std::move(message),
                  what == AlertAttempt::What::Sent ? AlertOutcome::Sent : AlertOutcome::Dead);
    bytes += size;
    ++gone;
  }
  std::lock_guard lock(mutex_);
  --calls_;
  messages_ -= gone;
  bytes_ -= bytes;
  if (has_sent || has_failed) is_failing_ = !has_sent;
  for (const auto& one : attempts) error_ = one.error;
  changed_.notify_all();
}

// False: it was tried for long enough.
bool AlertOutbox::try_again(AlertMessage& message, const AlertAttempt& attempt) {
  const auto now = parts_.clock.steady_now();
  if (!message.first_tried) message.first_tried = now;
  if (now - *message.first_tried >= parts_.options.retry_for) return false;
  auto wait = wait_before(message.attempts);
  if (attempt.retry_after) {
    wait = std::max(wait, std::min(*attempt.retry_after, parts_.options.retry_after_max));
  }
  events::alert_retried(parts_.telemetry, parts_.name, message, wait);
  std::lock_guard lock(mutex_);
  ++retries_;
  if (attempt.retry_after) paused_until_ = now + wait;
  queue_.emplace(now + wait, std::move(message));
  return true;
}

// Full jitter: receivers that come back are not met by all at once.
microseconds AlertOutbox::wait_before(int attempt) const {
  const auto& options = parts_.options;
  auto most = options.first_wait;
  for (int i = 1; i < attempt && most < options.wait_max; ++i) most *= 2;
  most = std::min(most, options.wait_max);
  const auto bound = static_cast<std::uint64_t>(std::max<std::int64_t>(1, most.count()));
  return microseconds(static_cast<std::int64_t>(parts_.random.below(bound)) + 1);
}

void AlertOutbox::bury(AlertMessage& message, const std::stop_token& stop) {
  if (!parts_.dead_letter) return;
  for (int i = 1;; ++i) {
    const auto outcome = attempt(*parts_.dead_letter, {message}, stop).front();
    if (outcome.what == AlertAttempt::What::Sent) return;
    if (i == kDeadLetterAttempts || outcome.what == AlertAttempt::What::Dead) {
      message.error += "; and its dead letter: " + outcome.error;
      return;
    }
    std::this_thread::sleep_for(kDeadLetterPause);
  }
}

}  // namespace millrace::flow
