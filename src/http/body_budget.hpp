#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace millrace::http {

/// The bytes that the bodies of all requests in flight may hold together.
/// Threads: safe from any.
class BodyBudget {
 public:
  explicit BodyBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  std::uint64_t bytes_used() const { return bytes_used_.load(std::memory_order_relaxed); }

 private:
  friend class BodyLease;
  const std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> bytes_used_ = 0;
};

/// One request's part of the budget; given back when it goes.
class BodyLease {
 public:
  BodyLease() = default;
  explicit BodyLease(std::shared_ptr<BodyBudget> budget) : budget_(std::move(budget)) {}
  BodyLease(BodyLease&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  BodyLease& operator=(BodyLease&& other) noexcept;
  ~BodyLease() { release(); }

  /// Makes the part `bytes` large. False, and no change, if a growing part does not fit.
  [[nodiscard]] bool resize(std::uint64_t bytes);

 private:
  void release();

  std::shared_ptr<BodyBudget> budget_;
  std::uint64_t bytes_ = 0;
};

}  // namespace millrace::http
