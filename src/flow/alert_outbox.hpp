#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "flow/alert.hpp"

namespace millrace::flow {

struct OutboxOptions {
  std::chrono::microseconds retry_for = std::chrono::hours(1);
  std::chrono::microseconds first_wait = std::chrono::milliseconds(500);  ///< then it doubles
  std::chrono::microseconds wait_max = std::chrono::minutes(1);
  std::chrono::microseconds retry_after_max = std::chrono::hours(1);
  std::size_t messages_max = 10'000;
  std::uint64_t bytes_max = std::uint64_t{16} << 20;
  bool is_bare = false;  ///< see config::Alert
};

/// The messages of one delivery that are on their way: sends them, tries again, gives up.
/// Owns the threads that send. Threads: safe from any.
class AlertOutbox {
 public:
  struct Parts {
    const DeliveryName& name;
    std::unique_ptr<AlertSink> sink;
    std::unique_ptr<AlertSink> dead_letter;  ///< null: none
    const base::Clock& clock;
    base::Random& random;
    base::Telemetry telemetry;
    OutboxOptions options;
    /// What became of a message; from a thread that sends.
    std::function<void(AlertMessage, AlertOutcome)> settle;
  };
  explicit AlertOutbox(Parts parts) : parts_(std::move(parts)) {}
  AlertOutbox(const AlertOutbox&) = delete;
  AlertOutbox& operator=(const AlertOutbox&) = delete;
  ~AlertOutbox() { stop(std::chrono::microseconds(0)); }

  void start();
  /// Sends nothing more; waits for what is under way, and breaks it off after `grace`.
  void stop(std::chrono::microseconds grace);

  void put(AlertMessage message);
  bool is_full() const;
  /// Waits until it is not full, or until `timeout` or a stop.
  void wait_for_room(std::chrono::microseconds timeout, const std::stop_token& stop);

  /// One attempt, at once, in this thread.
  AlertAttempt send_now(const AlertMessage& message);

  struct Status {
    std::size_t messages = 0;  ///< those under way included
    std::uint64_t bytes = 0;
    std::int64_t retries = 0;
    std::string error;  ///< of the last attempt; empty if it succeeded
  };
  Status status() const;

 private:
  using Messages = std::vector<AlertMessage>;

  void run(const std::stop_token& stop);
  Messages take(const std::stop_token& stop);
  bool can_send(base::SteadyTime now) const;  // the caller holds mutex_
  std::vector<AlertAttempt> attempt(AlertSink& sink, const Messages& messages,
                                    const std::stop_token& stop) const;
  void finish(Messages messages, const std::vector<AlertAttempt>& attempts,
              const std::stop_token& stop);
  bool try_again(AlertMessage& message, const AlertAttempt& attempt);
  void bury(AlertMessage& message, const std::stop_token& stop);
  std::chrono::microseconds wait_before(int attempt) const;

  Parts parts_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // All below: guarded by mutex_.
  std::multimap<base::SteadyTime, AlertMessage> queue_;  // by when they are due
  std::size_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::size_t calls_ = 0;  // under way
  bool is_failing_ = false;
  bool is_ending_ = false;
  std::optional<base::SteadyTime> paused_until_;
  std::int64_t retries_ = 0;
  std::string error_;

  std::vector<std::jthread> threads_;  // the last member: they use all others
};

}  // namespace millrace::flow
