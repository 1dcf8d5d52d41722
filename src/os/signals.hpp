#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/result.hpp"

namespace millrace::os {

enum class Stop : std::uint8_t {
  Gently,  ///< the first SIGINT or SIGTERM: finish what is begun
  Now,     ///< a further one: leave at once
};

/// Turns SIGINT and SIGTERM into calls of a function, one process-wide.
/// Threads: the function is called on a thread that this object owns.
class StopSignals {
 public:
  /// Blocks both signals in the calling thread and all that it starts from now on, and ignores
  /// SIGPIPE. To be called before any other thread exists.
  static base::Result<void> block();

  /// Calls `on_stop` for each signal that comes. Signals that came since `block` count.
  static base::Result<std::unique_ptr<StopSignals>> watch(std::function<void(Stop)> on_stop);

  ~StopSignals();

 private:
  StopSignals(int signals, int wake, std::function<void(Stop)> on_stop);
  void run(const std::stop_token& stopping);

  const int signals_;
  const int wake_;
  const std::function<void(Stop)> on_stop_;
  std::jthread thread_;
};

}  // namespace millrace::os
