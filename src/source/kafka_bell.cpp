#include "source/kafka_bell.hpp"

namespace millrace::source {

void KafkaBell::ring() {
  {
    const std::lock_guard lock(mutex_);
    ++rung_;
  }
  rings_.notify_all();
}

std::uint64_t KafkaBell::rung() const {
  const std::lock_guard lock(mutex_);
  return rung_;
}

void KafkaBell::wait(std::uint64_t rung, base::SteadyTime end, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  (void)rings_.wait_until(lock, std::move(stop), end, [&] { return rung_ != rung; });
}

}  // namespace millrace::source
