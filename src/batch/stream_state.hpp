#pragma once

#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace millrace::batch {

/// What jobs need of the stream half; `app` supplies it.
/// Threads: safe from any.
class StreamState {
 public:
  virtual ~StreamState() = default;

  /// The time up to which a table's committed rows are complete, but for late records; the epoch if
  /// nothing is known yet.
  virtual base::Time watermark(std::string_view table) = 0;
  /// Reads what was acknowledged before, and commits all hot rows of all tables.
  /// Errors  Unavailable: not in time.
  virtual base::Result<void> take_in() = 0;
};

}  // namespace millrace::batch
