#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.hpp"
#include "base/units.hpp"
#include "log/hash_key.hpp"

namespace millrace::log {

using namespace base::literals;

/// Of a stream at one time, and in its life.
inline constexpr int kOpenShardsMax = 1024;
inline constexpr int kShardsMax = 4096;
inline constexpr std::uint64_t kRetentionBytesMin = 64_KiB;
inline constexpr std::uint64_t kRecordBytesMax = 1_GiB;  ///< so that a batch's sizes fit its header
inline constexpr std::uint64_t kAppendBytesMax = 2_GiB;

enum class Origin : std::uint8_t {
  Pipeline,  ///< a source of the pipeline file: its tables read it, and say what may go
  Api,       ///< made while the program runs: records go when they are old, and only then
};

struct StreamOptions {
  std::string name;
  Origin origin = Origin::Pipeline;
  /// What the pipeline file asks for, or a new stream begins with. Of one that is there, shards and
  /// retention time are changed only if the pipeline file asks for others than the last time.
  int shards = 1;
  /// Segments that every reader has released go when they are older than this, or when the log
  /// holds more than three quarters of `retention_bytes`. What is not released is never dropped:
  /// at `retention_bytes` the log refuses.
  std::chrono::microseconds retention_time = std::chrono::days(7);
  std::uint64_t retention_bytes = 10_GiB;
  std::uint64_t segment_bytes = 64_MiB;
  std::chrono::microseconds segment_age = std::chrono::hours(1);
  std::uint64_t queue_bytes_max = 64_MiB;   ///< waiting for the disk
  std::uint64_t record_bytes_max = 10_MiB;  ///< key and bytes together
};

struct NewRecord {
  base::ShardId shard;
  std::string_view partition_key;
  std::string_view bytes;
  /// Which shard takes it if `shard` was closed meanwhile.
  HashKey hash_key = 0;
};

/// Half open: `end` is the offset after the last record.
struct OffsetRange {
  base::ShardId shard;
  base::Offset first;
  base::Offset end;

  bool operator==(const OffsetRange&) const = default;
};

struct ShardStatus {
  base::Offset oldest;
  base::Offset end;
  std::uint64_t bytes = 0;  ///< on disk
};

struct StreamStatus {
  std::vector<ShardStatus> shards;
  std::uint64_t queue_bytes = 0;
  bool is_full = false;    ///< the last append was refused for want of room
  std::string last_error;  ///< of the disk; empty when the last write went well
};

}  // namespace millrace::log
