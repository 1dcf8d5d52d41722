#include "watch/exporter.hpp"

#include "watch/events.hpp"

namespace millrace::watch {

Exporter::Exporter(ExporterParts parts) : parts_(std::move(parts)), taker_(parts_.what) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Exporter::~Exporter() = default;

void Exporter::finish(std::chrono::milliseconds deadline) {
  {
    std::unique_lock lock(mutex_);
    is_ending_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, deadline, [this] { return is_done_; });
  }
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Exporter::run(const std::stop_token& stop) {
  auto next = std::chrono::steady_clock::now() + parts_.what.every;
  while (!stop.stop_requested()) {
    bool is_last = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, stop, next, [this] { return is_ending_; });
      is_last = is_ending_;
    }
    if (stop.stop_requested()) return;
    take(stop);
    if (is_last) break;
    next = std::max(next + parts_.what.every, std::chrono::steady_clock::now());
  }
  const std::lock_guard lock(mutex_);
  is_done_ = true;
  changed_.notify_all();
}

void Exporter::take(const std::stop_token& stop) {
  if (parts_.refresh) parts_.refresh();
  auto taken = taker_.take(parts_.telemetry.metrics.snapshot());
  if (taken.left_out > 0) {
    events::dropped(parts_.telemetry, parts_.sink->name(), "left_out", taken.left_out);
  }
  parts_.sink->take(std::move(taken.data), parts_.clock.now(), stop);
}

}  // namespace millrace::watch
