#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "base/result.hpp"

namespace millrace::base {

/// A moment in UTC, in whole microseconds: what TIMESTAMPTZ holds.
using Time = std::chrono::sys_time<std::chrono::microseconds>;
/// A moment for measuring spans: never jumps.
using SteadyTime = std::chrono::steady_clock::time_point;

/// Where the time comes from; passed in, so that tests own it.
/// Threads: safe from any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual SteadyTime steady_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time now() const override;
  SteadyTime steady_now() const override;
};

/// Stands still until told otherwise.
class FixedClock final : public Clock {
 public:
  explicit FixedClock(Time start) : now_(start) {}
  Time now() const override;
  SteadyTime steady_now() const override;
  void advance(std::chrono::microseconds by);
  void set(Time now);

 private:
  mutable std::mutex mutex_;
  Time now_;                              // Guarded by mutex_.
  std::chrono::microseconds elapsed_{0};  // Guarded by mutex_.
};

/// `2026-11-23T08:30:00.000000Z`.
std::string format_time(Time time);

/// Reads RFC 3339 (`2026-11-23T08:30:00Z`, fraction and offset allowed).
/// Errors  Invalid: anything else.
Result<Time> parse_time(std::string_view text);

}  // namespace millrace::base
