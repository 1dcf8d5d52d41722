#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "deploy/options.hpp"

namespace millrace::deploy {

/// What one stream needs for the rate that was stated.
struct Capacity {
  int shards = 0;      ///< 0: on demand
  int shards_now = 0;  ///< that there are at the beginning, also on demand
  std::vector<std::string> warnings = {};
};

inline constexpr double kShardRecordsPerSecond = 1000;
inline constexpr double kShardBytesPerSecond = 1e6;
/// Shards above what the peak needs, because keys are never even.
inline constexpr double kShardReserve = 1.25;

/// Errors  Invalid: a stream cannot have that rate within AWS's default quotas.
/// Source  Kinesis Data Streams developer guide, "Quotas and limits".
base::Result<Capacity> capacity_of(const Options& options);

}  // namespace millrace::deploy
