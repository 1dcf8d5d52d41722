#pragma once

#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/record.hpp"
#include "base/result.hpp"
#include "base/telemetry.hpp"
#include "log/log.hpp"
#include "os/disk.hpp"

namespace millrace::log {

/// What a stream works with; all must outlive it.
struct Tools {
  os::Disk& disk;
  const base::Clock& clock;
  base::Random& random;
  base::Telemetry telemetry;
};

/// A durable stream of records in a folder of this machine. A record is acknowledged after it would
/// survive a power cut, and read only then. docs/formats/log.md says how.
/// Threads: safe from any. One thread of its own writes, syncs and acknowledges.
class Stream {
 public:
  /// Opens the stream, or makes it if the folder is empty. The number of shards may only grow.
  /// Errors  Invalid: fewer shards than there are. Corrupt: damage that no power cut explains.
  static base::Result<std::unique_ptr<Stream>> open(os::Path folder, StreamOptions options,
                                                    const Tools& tools);
  /// Closes.
  ~Stream();

  using Appended = std::function<void(base::Result<std::vector<OffsetRange>>)>;
  /// Appends records, each after those of its shard that came before. `owner` keeps what the views
  /// point into. `appended` is called once, with a range for each shard touched: on the writer's
  /// thread, or at once if the records are refused; it must not block.
  /// Errors  Exhausted: the queue, the log or the disk is full; slow down, nothing was taken.
  ///         Invalid: a record is too large, or no such shard. Cancelled: the stream is closed.
  ///         Unavailable: the disk failed; the records are not acknowledged, but part of those in
  ///         other shards may be in the log: a retry may double them.
  void append(std::vector<NewRecord> records, std::shared_ptr<const void> owner, Appended appended);
  /// The same, and waits.
  base::Result<std::vector<OffsetRange>> append_and_wait(std::vector<NewRecord> records);

  /// The shard of a key, the same as long as the number of shards is; without a key, each in turn.
  base::ShardId shard_of(std::string_view partition_key) const;
  /// A UUID of this life of the stream's folder: offsets mean nothing under another one.
  const std::string& incarnation() const;
  int shard_count() const;

  base::Offset oldest(base::ShardId shard) const;
  /// The offset after the last durable record.
  base::Offset end(base::ShardId shard) const;

  /// Durable records from `from` on.
  /// Shape   consecutive; one at least if there is any, further ones until `bytes_max` of keys and
  ///         bytes; else none. They point into the batch's one block of memory.
  /// Errors  Exhausted: `from` is no longer retained. Corrupt: damaged, with file and offsets; or
  ///         `from` lies beyond the end.
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t bytes_max) const;
  /// Waits until some shard has a record at or after its position, the time is over, or a stop is
  /// asked for. True if there is something to read.
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) const;

  /// Tells that nobody will read before `positions` again: what retention may drop. Nothing is
  /// dropped before the first call.
  base::Result<void> release(std::span<const base::Offset> positions);

  StreamStatus status() const;
  /// Makes durable what waits, then refuses.
  void close();

 private:
  class State;
  explicit Stream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::log
