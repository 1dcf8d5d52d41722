#include "http/body_budget.hpp"

namespace millrace::http {

BodyLease& BodyLease::operator=(BodyLease&& other) noexcept {
  if (this == &other) return *this;
  release();
  budget_ = std::move(other.budget_);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool BodyLease::resize(std::uint64_t bytes) {
  if (budget_ == nullptr || bytes == bytes_) return true;
  auto& used = budget_->bytes_used_;
  if (bytes < bytes_) {
    used.fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
    bytes_ = bytes;
    return true;
  }
  const std::uint64_t more = bytes - bytes_;
  std::uint64_t before = used.load(std::memory_order_relaxed);
  do {
    if (before > budget_->bytes_max_ || more > budget_->bytes_max_ - before) return false;
  } while (!used.compare_exchange_weak(before, before + more, std::memory_order_relaxed));
  bytes_ = bytes;
  return true;
}

void BodyLease::release() {
  if (budget_ != nullptr && bytes_ > 0) {
    budget_->bytes_used_.fetch_sub(bytes_, std::memory_order_relaxed);
  }
  bytes_ = 0;
}

}  // namespace millrace::http
