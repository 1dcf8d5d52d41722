#pragma once

#include "base/event_log.hpp"
#include "base/metrics.hpp"

namespace millrace::base {

/// Where a room's events go: each `events.cpp` logs and counts through it.
struct Telemetry {
  EventLog& log;
  Metrics& metrics;
};

}  // namespace millrace::base
