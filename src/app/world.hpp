#pragma once

#include "app/aws_access.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "os/real_disk.hpp"

namespace millrace::app {

/// What the world gives a process; it outlives everything that is built on it.
struct World {
  World(base::LogFormat format, base::Level level_min) : log(format, level_min) {}

  os::RealDisk disk;
  base::SystemClock clock;
  base::Random random;
  base::EventLog log;
  base::Metrics metrics;
  AwsAccess aws{clock, random, {log, metrics}};

  base::Telemetry telemetry() { return {log, metrics}; }
};

}  // namespace millrace::app
