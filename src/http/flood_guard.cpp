#include "http/flood_guard.hpp"

#include <algorithm>
#include <chrono>

namespace millrace::http {

bool FloodGuard::bears(Kind kind, base::SteadyTime now) {
  const bool is_reset = kind == Kind::Reset;
  auto& bucket = is_reset ? resets_ : controls_;
  const std::chrono::duration<double> passed = now - bucket.since;
  bucket.since = now;
  const double earned = passed.count() * (is_reset ? kResetsPerSecond : kControlsPerSecond);
  bucket.left = std::min(bucket.left + earned, is_reset ? kResetsMax : kControlsMax) - 1;
  return bucket.left >= 0;
}

}  // namespace millrace::http
