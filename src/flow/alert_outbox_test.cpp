#include "flow/alert_outbox.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;
using What = AlertAttempt::What;

/// What happened to a receiver: its answers are given beforehand, the last one for ever.
struct Receiver {
  std::mutex mutex;
  std::deque<AlertAttempt> answers;   // Guarded by mutex.
  std::vector<std::string> attempts;  // Guarded by mutex. The ids, as they came.
  int calls = 0;                      // Guarded by mutex. Under way.
  int calls_most = 0;                 // Guarded by mutex. After the first few.

  std::size_t count() {
    std::lock_guard lock(mutex);
    return attempts.size();
  }
};

class ReceiverSink final : public AlertSink {
 public:
  explicit ReceiverSink(Receiver& receiver) : receiver_(receiver) {}
  std::size_t messages_max() const override { return 1; }
  std::size_t calls_max() const override { return 4; }
  std::vector<AlertAttempt> send(std::span<const OutgoingAlert> messages,
                                 const std::stop_token&) override {
    {
      std::lock_guard lock(receiver_.mutex);
      ++receiver_.calls;
      if (receiver_.attempts.size() >= calls_max()) {
        receiver_.calls_most = std::max(receiver_.calls_most, receiver_.calls);
      }
    }
    std::this_thread::sleep_for(1ms);
    std::lock_guard lock(receiver_.mutex);
    --receiver_.calls;
    receiver_.attempts.emplace_back(messages.front().id);
    auto answer = receiver_.answers.front();
    if (receiver_.answers.size() > 1) receiver_.answers.pop_front();
    return {answer};
  }

 private:
  Receiver& receiver_;
};

class AlertOutboxTest : public testing::Test {
 protected:
  const DeliveryName name_{"shop", "fraud", "webhook", "checked", "orders", "one"};
  base::Random random_{7};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  base::SystemClock system_clock;
  base::FixedClock clock{base::parse_time("2026-11-20T12:00:00Z").value()};

  void open(const base::Clock& with) {
    outbox.emplace(AlertOutbox::Parts{.name = name_,
                                      .sink = std::make_unique<ReceiverSink>(receiver),
                                      .dead_letter = nullptr,
                                      .clock = with,
                                      .random = random_,
                                      .telemetry = {log_, metrics_},
                                      .options = {.first_wait = 1ms, .wait_max = 2ms},
                                      .settle = [this](AlertMessage message, AlertOutcome outcome) {
                                        std::lock_guard lock(receiver.mutex);
                                        settled.emplace_back(message.id, outcome);
                                      }});
    outbox->start();
  }
  void put(const std::string& id) {
    AlertMessage message{.id = id};
    message.rows.push_back({.id = id, .data = "{}"});
    outbox->put(std::move(message));
  }
  std::size_t settled_count() {
    std::lock_guard lock(receiver.mutex);
    return settled.size();
  }
  void await_settled(std::size_t count) {
    while (settled_count() < count) std::this_thread::sleep_for(1ms);
  }

  Receiver receiver;
  std::vector<std::pair<std::string, AlertOutcome>> settled;  // Guarded by receiver.mutex.
  std::optional<AlertOutbox> outbox;
};

TEST_F(AlertOutboxTest, AsksOnceAtATimeWhileTheReceiverFails) {
  receiver.answers.assign(30, {What::Retry, "unwell"});
  receiver.answers.push_back({What::Sent});
  open(system_clock);
  for (int i = 0; i < 10; ++i) put(std::to_string(i));
  while (receiver.count() < 29) std::this_thread::sleep_for(1ms);
  {
    std::lock_guard lock(receiver.mutex);
    EXPECT_EQ(receiver.calls_most, 1);
  }
  await_settled(10);
  EXPECT_EQ(outbox->status().messages, 0U);
  EXPECT_EQ(outbox->status().bytes, 0U);
  EXPECT_EQ(outbox->status().retries, 30);
  EXPECT_EQ(outbox->status().error, "");
}

TEST_F(AlertOutboxTest, WaitsAsLongAsTheReceiverWishes) {
  receiver.answers = {{What::Retry, "429", 60s}, {What::Sent}};
  open(clock);
  put("a");
  while (outbox->status().retries < 1) std::this_thread::sleep_for(1ms);
  clock.advance(59s);
  put("b");  // wakes the threads
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(receiver.count(), 1U) << "others wait, too";
  clock.advance(1s);
  put("c");
  await_settled(3);
  EXPECT_EQ(receiver.count(), 4U);
}

TEST_F(AlertOutboxTest, GivesUpAtOnceWhatIsRefused) {
  receiver.answers = {{What::Dead, "400"}, {What::Sent}};
  open(system_clock);
  put("a");
  await_settled(1);
  put("b");
  await_settled(2);
  EXPECT_EQ(settled[0], std::pair(std::string("a"), AlertOutcome::Dead));
  EXPECT_EQ(settled[1], std::pair(std::string("b"), AlertOutcome::Sent));
}

TEST_F(AlertOutboxTest, LeavesWhatItHasNotSentWhenItStops) {
  receiver.answers = {{What::Retry, "unwell"}};
  open(system_clock);
  put("a");
  while (receiver.count() < 3) std::this_thread::sleep_for(1ms);
  outbox->stop(1s);
  EXPECT_EQ(settled_count(), 0U);
}

}  // namespace
}  // namespace millrace::flow
