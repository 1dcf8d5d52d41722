#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "base/telemetry.hpp"
#include "log/log.hpp"
#include "os/disk.hpp"

namespace millrace::log {

/// What an operator sees of one stream: log lines and numbers.
/// Threads: safe from any.
class Events {
 public:
  Events(const base::Telemetry& telemetry, const std::string& stream);

  void opened(const std::string& incarnation, std::size_t segments, std::chrono::microseconds took);
  /// A write was not finished when the last life ended.
  void tail_dropped(const os::Path& segment, std::uint64_t bytes);
  /// The last life ended before it could say that its last write was durable: written anew.
  void tail_written_anew(base::ShardId shard, std::uint64_t records);

  void appended(std::size_t appends, std::uint64_t records, std::uint64_t bytes);
  void synced(std::chrono::duration<double> took);
  void append_refused();
  enum class Full : std::uint8_t { No, Queue, Log, Disk };
  void full_changed(Full full);

  void segment_begun(const os::Path& segment);
  void segment_failed(const os::Path& segment, const base::Error& error);
  void segment_dropped(const os::Path& segment, std::uint64_t bytes);
  void drop_failed(const base::Error& error);
  void sizes(std::size_t segments, std::uint64_t bytes);
  void recovered_from_failure();
  void resharded(int shards_before, int shards, int open_shards);

 private:
  base::Telemetry telemetry_;
  const std::string stream_;
  base::Counter appends_, records_, bytes_, refusals_, failures_;
  base::Histogram sync_seconds_;
  base::Gauge segments_, disk_bytes_, is_full_;
  std::atomic<bool> is_full_logged_{false};
};

}  // namespace millrace::log
