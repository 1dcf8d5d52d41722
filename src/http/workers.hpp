#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "http/exchange.hpp"

namespace millrace::http {

struct WorkersOptions {
  std::size_t threads = 4;
  std::size_t queue_max = 256;  ///< jobs that wait for a thread
};

/// Threads for handlers that block (disk, SQL).
/// Threads: safe from any.
class Workers {
 public:
  explicit Workers(WorkersOptions options);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  /// Stops.
  ~Workers();

  /// Runs `job` soon. False if the queue is full or the workers stop.
  [[nodiscard]] bool try_run(std::function<void()> job);

  /// Finishes what is queued and ends the threads. Not from a job.
  void stop();

 private:
  void run();

  const WorkersOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // Guarded by mutex_.
  bool is_stopping_ = false;                 // Guarded by mutex_.
  std::vector<std::jthread> threads_;
};

/// The same handler, run by the workers; if their queue is full the answer is 503 with Retry-After.
/// The workers must outlive it.
Handler on_workers(Workers& workers, Handler handler);

}  // namespace millrace::http
