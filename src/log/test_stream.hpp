#pragma once

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "log/stream.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::log {

/// What a test gives a stream to live on. The clock stands still, the random numbers are seeded.
struct TestTools {
  base::FixedClock clock{*base::parse_time("2026-11-20T12:00:00Z")};
  base::Random random{7};
  base::EventLog lines = base::EventLog::silent();
  base::Metrics metrics;

  Tools on(os::Disk& disk) {
    return {.disk = disk, .clock = clock, .random = random, .telemetry = {lines, metrics}};
  }
};

/// Bodies as records of one shard, without keys. The views point to `bodies`.
inline std::vector<NewRecord> records_of(const std::vector<std::string>& bodies,
                                         std::int64_t shard = 0) {
  std::vector<NewRecord> records;
  for (const auto& body : bodies) {
    records.push_back({.shard = base::ShardId(shard), .partition_key = {}, .bytes = body});
  }
  return records;
}

/// All bodies of a shard from `from` on, or the error that reading them ends with.
inline base::Result<std::vector<std::string>> bodies_of(const Stream& stream,
                                                        std::int64_t shard = 0,
                                                        base::Offset from = base::Offset(0),
                                                        std::uint64_t bytes_max = 1_MiB) {
  std::vector<std::string> bodies;
  for (;;) {
    const auto batch = TRY(stream.read(base::ShardId(shard), from, bytes_max));
    if (batch.records.empty()) return bodies;
    for (const auto& record : batch.records) {
      CHECK(record.offset == from);
      bodies.emplace_back(record.bytes);
      from = from.next();
    }
    CHECK(batch.next == from);
  }
}

/// The segment files of a shard, oldest first.
inline std::vector<os::Path> segments_of(const os::Path& folder, int shard = 0) {
  os::RealDisk disk;
  std::vector<os::Path> paths;
  const os::Path shard_path = folder / fmt::format("{:04}", shard);
  const auto files = disk.list(shard_path);
  for (const auto& file : *files) paths.push_back(shard_path / file.name);
  return paths;
}

}  // namespace millrace::log
