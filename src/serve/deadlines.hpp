#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.hpp"

namespace millrace::serve {

enum class StopReason : std::uint8_t { None, TimeIsUp, ClientIsGone };

/// One piece of work that may have to be stopped from outside, and why it was.
/// Threads: safe from any.
class StopWatch {
 public:
  explicit StopWatch(base::SteadyTime deadline) : deadline_(deadline) {}

  base::SteadyTime deadline() const { return deadline_; }
  StopReason reason() const;
  /// Stops the work; the first reason counts.
  void stop(StopReason reason);

  /// While `interrupt` is set, it is called again and again once the work shall stop: what it
  /// interrupts may not have begun yet. Empty: nothing to call any more; when this returns, no call
  /// is running.
  void set_interrupt(std::function<void()> interrupt);

 private:
  friend class Deadlines;
  void press();

  const base::SteadyTime deadline_;
  mutable std::mutex mutex_;
  StopReason reason_ = StopReason::None;  // Guarded by mutex_.
  std::function<void()> interrupt_;       // Guarded by mutex_.
};

/// Stops work whose time is up. Owns one thread, which sleeps while there is none.
/// Threads: safe from any.
class Deadlines {
 public:
  Deadlines();

  /// Watches until the last pointer to the watch is gone.
  std::shared_ptr<StopWatch> watch(base::SteadyTime deadline);
  /// Looks no more; when this returns, no call of its thread is running.
  void stop();

 private:
  void run(const std::stop_token& stopping);
  void look();

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::list<std::weak_ptr<StopWatch>> watches_;  // Guarded by mutex_.
  std::jthread thread_;
};

}  // namespace millrace::serve
