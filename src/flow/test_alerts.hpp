#pragma once

#include <functional>
#include <map>
#include <set>

#include "base/text.hpp"
#include "flow/alerts.hpp"
#include "flow/test_worker.hpp"

namespace millrace::flow {

/// A receiver in memory, which outlives the programs that send to it.
class TestReceiver {
 public:
  using Answer = std::function<AlertAttempt(const std::string& body)>;

  void answer(Answer how) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(how);
  }
  AlertAttempt take(const OutgoingAlert& message) {
    std::lock_guard lock(mutex_);
    auto attempt = answer_ ? answer_(std::string(message.body)) : AlertAttempt{};
    ++attempts_;
    if (attempt.what == AlertAttempt::What::Sent) {
      bodies_.emplace_back(message.body);
      ids_[std::string(message.id)].insert(std::string(message.body));
    }
    return attempt;
  }
  std::vector<std::string> bodies() const {
    std::lock_guard lock(mutex_);
    return bodies_;
  }
  /// By message id: what came under it.
  std::map<std::string, std::set<std::string>> ids() const {
    std::lock_guard lock(mutex_);
    return ids_;
  }
  int attempts() const {
    std::lock_guard lock(mutex_);
    return attempts_;
  }

 private:
  mutable std::mutex mutex_;
  Answer answer_;                                     // Guarded by mutex_.
  std::vector<std::string> bodies_;                   // Guarded by mutex_.
  std::map<std::string, std::set<std::string>> ids_;  // Guarded by mutex_.
  int attempts_ = 0;                                  // Guarded by mutex_.
};

class TestSink final : public AlertSink {
 public:
  explicit TestSink(TestReceiver& receiver) : receiver_(receiver) {}
  std::size_t messages_max() const override { return 3; }
  std::size_t calls_max() const override { return 2; }
  std::vector<AlertAttempt> send(std::span<const OutgoingAlert> messages,
                                 const std::stop_token&) override {
    std::vector<AlertAttempt> attempts;
    for (const auto& message : messages) attempts.push_back(receiver_.take(message));
    return attempts;
  }

 private:
  TestReceiver& receiver_;
};

inline std::string with_alerts(const std::string& alerts) {
  return std::string(kPipeline) + "alerts:\n" + alerts;
}

/// A worker and alerts over it; receivers by target.
class AlertsBench : public WorkerBench {
 public:
  explicit AlertsBench(const std::string& text) : WorkerBench(text) {
    options.outbox.first_wait = std::chrono::milliseconds(1);
    options.outbox.wait_max = std::chrono::milliseconds(4);
    options.commit_every = std::chrono::hours(1);  // only when asked
  }
  ~AlertsBench() { crash_all(); }

  base::Result<void> begin_all() {
    TRY(begin());
    alerts = TRY(Alerts::open({.pipeline = pipeline,
                               .plans = worker->plans(),
                               .incarnations = {{"orders", source.incarnation()}},
                               .tools = tools(),
                               .board = *board,
                               .folder = folder.path(),
                               .make_sink = [this](const auto&, const config::AlertTarget& target)
                                   -> base::Result<std::unique_ptr<AlertSink>> {
                                 return std::unique_ptr<AlertSink>(
                                     std::make_unique<TestSink>(receivers[target.name]));
                               },
                               .options = options}));
    if (starts_alerts) start_alerts();
    return {};
  }
  void start_alerts() {
    alerts->start([this](const base::Error& error) {
      std::lock_guard lock(mutex);
      fatal = error.text();
    });
  }
  // Ends without a commit, as a kill would.
  void crash_all() {
    alerts.reset();
    crash();
  }
  void restart_all() {
    crash_all();
    const auto begun = begin_all();
    ASSERT_TRUE(begun) << begun.error().text();
  }
  // Waits until every visible row's alert has ended.
  void settle() {
    ASSERT_TRUE(worker->catch_up(std::chrono::seconds(10)));
    const auto settled = alerts->settle_all(std::chrono::seconds(20));
    ASSERT_TRUE(settled) << settled.error().text();
  }
  /// The ids of the orders that a target's messages hold, sorted.
  std::string orders(const std::string& target = "webhook") {
    std::vector<std::string> found;
    for (const auto& body : receivers[target].bodies()) {
      for (auto at = body.find(R"("data":{"id":")"); at != std::string::npos;
           at = body.find(R"("data":{"id":")", at + 1)) {
        const auto from = at + 14;
        found.push_back(body.substr(from, body.find('"', from) - from));
      }
    }
    std::ranges::sort(found);
    return base::join(found, " ");
  }
  std::string history(const std::string& columns, const std::string& rest = "ORDER BY ALL") {
    return ask_now(fmt::format("SELECT {} FROM _alerts {}", columns, rest));
  }

  AlertsOptions options;
  bool starts_alerts = true;
  std::map<std::string, TestReceiver> receivers;
  std::unique_ptr<Alerts> alerts;
};

}  // namespace millrace::flow
