#include "serve/deadlines.hpp"

#include <chrono>
#include <utility>
#include <vector>

namespace millrace::serve {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kStep = 20ms;  // between two looks at what runs

}  // namespace

StopReason StopWatch::reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

void StopWatch::stop(StopReason reason) {
  std::lock_guard lock(mutex_);
  if (reason_ == StopReason::None) reason_ = reason;
  if (interrupt_) interrupt_();
}

void StopWatch::set_interrupt(std::function<void()> interrupt) {
  std::lock_guard lock(mutex_);
  interrupt_ = std::move(interrupt);
}

void StopWatch::press() {
  std::lock_guard lock(mutex_);
  if (reason_ == StopReason::None && steady_clock::now() >= deadline_) {
    reason_ = StopReason::TimeIsUp;
  }
  if (reason_ != StopReason::None && interrupt_) interrupt_();
}

Deadlines::Deadlines() : thread_([this](const std::stop_token& stopping) { run(stopping); }) {}

std::shared_ptr<StopWatch> Deadlines::watch(base::SteadyTime deadline) {
  auto watch = std::make_shared<StopWatch>(deadline);
  {
    std::lock_guard lock(mutex_);
    watches_.push_back(watch);
  }
  wake_.notify_one();
  return watch;
}

void Deadlines::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Deadlines::look() {
  std::vector<std::shared_ptr<StopWatch>> alive;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(watches_, [](const auto& watch) { return watch.expired(); });
    for (const auto& watch : watches_) {
      if (auto strong = watch.lock()) alive.push_back(std::move(strong));
    }
  }
  for (const auto& watch : alive) watch->press();
}

void Deadlines::run(const std::stop_token& stopping) {
  while (!stopping.stop_requested()) {
    look();
    std::unique_lock lock(mutex_);
    wake_.wait(lock, stopping, [this] { return !watches_.empty(); });
    wake_.wait_for(lock, stopping, kStep, [] { return false; });
  }
}

}  // namespace millrace::serve
