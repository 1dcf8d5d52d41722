#pragma once

#include <cstdint>

#include "base/clock.hpp"

namespace millrace::http {

/// Bounds what makes a server work and costs a client of HTTP/2 next to nothing: requests that are
/// reset as soon as they are sent (rapid reset), frames that have to be answered (pings, settings),
/// frames that say nothing. Each may come in a burst, and then at a rate.
class FloodGuard {
 public:
  enum class Kind : std::uint8_t {
    Reset,    ///< a stream that ends by a reset of the client, or for the client's fault
    Control,  ///< a ping, settings, an empty frame
  };
  static constexpr double kResetsMax = 200;
  static constexpr double kResetsPerSecond = 50;
  static constexpr double kControlsMax = 500;
  static constexpr double kControlsPerSecond = 100;

  /// Notes one more. False: it is too many.
  [[nodiscard]] bool bears(Kind kind, base::SteadyTime now);

 private:
  /// What may still come; grows with time, up to its greatest.
  struct Bucket {
    double left;
    base::SteadyTime since{};
  };
  Bucket resets_{kResetsMax};
  Bucket controls_{kControlsMax};
};

}  // namespace millrace::http
