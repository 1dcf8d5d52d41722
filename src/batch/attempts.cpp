#include "batch/attempts.hpp"

#include <condition_variable>
#include <mutex>

namespace millrace::batch {

using base::Code;

bool may_pass(const base::Error& error) {
  return error.code == Code::Unavailable || error.code == Code::Exhausted ||
         error.code == Code::Unknown;
}

std::string new_run_id(base::Time time, base::Random& random) {
  auto id = base::format_time(time).substr(0, 19);
  std::erase_if(id, [](char c) { return c == '-' || c == ':'; });
  return id + "Z-" + random.uuid().substr(0, 8);
}

bool wait(const base::Clock& clock, std::chrono::microseconds time, const std::stop_token& stop) {
  const auto until = clock.now() + time;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested() && clock.now() < until) {
    changed.wait_for(lock, stop, std::chrono::milliseconds(100), [] { return false; });
  }
  return !stop.stop_requested();
}

}  // namespace millrace::batch
