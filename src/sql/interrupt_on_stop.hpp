#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "sql/connection.hpp"

namespace millrace::sql {

/// Breaks off what a connection does once a stop is asked for, as long as this lives. It owns a
/// thread that watches.
class InterruptOnStop {
 public:
  InterruptOnStop(Connection& connection, std::stop_token stop)
      : thread_([&connection, stop = std::move(stop)](const std::stop_token& is_over) {
          std::mutex mutex;
          std::condition_variable_any changed;
          std::unique_lock lock(mutex);
          while (!is_over.stop_requested()) {
            // A statement may begin just after an interrupt, so it takes more than one.
            if (stop.stop_requested()) connection.interrupt();
            changed.wait_for(lock, is_over, std::chrono::milliseconds(10), [] { return false; });
          }
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace millrace::sql
