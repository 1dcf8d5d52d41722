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
#include "log/stream_file.hpp"
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
  /// Opens the stream, or makes it if the folder is empty.
  /// Errors  Invalid: an option. Corrupt: damage that no power cut explains. Exhausted: the stream
  /// cannot get more shards, or the disk is full.
  static base::Result<std::unique_ptr<Stream>> open(os::Path folder, StreamOptions options,
                                                    const Tools& tools);
  /// Closes.
  ~Stream();

  /// A range for each shard touched, and the records with the shards that took them: those of one
  /// shard have its range's offsets, in their order.
  using Appended =
      std::function<void(base::Result<std::vector<OffsetRange>>, std::span<const NewRecord>)>;
  /// Appends records, each after those of its shard that came before. A record whose shard was
  /// closed goes where its hash key belongs. `owner` keeps what the views point into. `appended` is
  /// called once: on the writer's thread, or at once if the records are refused; it must not block.
  /// Errors  Exhausted: the queue, the log or the disk is full; slow down, nothing was taken.
  ///         Invalid: a record is too large, or no such shard. Cancelled: the stream is closed.
  ///         Unavailable: the disk failed; the records are not acknowledged, but part of those in
  ///         other shards may be in the log: a retry may double them.
  void append(std::vector<NewRecord> records, std::shared_ptr<const void> owner, Appended appended);
  /// The same, and waits.
  base::Result<std::vector<OffsetRange>> append_and_wait(std::vector<NewRecord> records);

  /// What the stream is now; a change makes another one.
  std::shared_ptr<const StreamFile> description() const;
  /// Which shards take records: for `place`, once for many records.
  std::shared_ptr<const ShardMap> shard_map() const;
  struct Place {
    base::ShardId shard;
    HashKey hash_key = 0;
  };
  /// Where a key belongs, the same as long as its shard is open; without a key, each in turn.
  Place place(const ShardMap& map, std::string_view partition_key) const;
  base::ShardId shard_of(std::string_view partition_key) const;
  /// A UUID of this life of the stream's folder: offsets mean nothing under another one.
  const std::string& incarnation() const;
  Origin origin() const;
  /// Also of those that are closed.
  int shard_count() const;

  /// Resharding. Returns when the new shards take records, durably, and the old ones have got their
  /// last. Errors  as ShardMap; Exhausted: too many shards; as the disk says: it may have happened.
  base::Result<void> split(base::ShardId shard, HashKey second_first);
  base::Result<void> merge(base::ShardId shard, base::ShardId adjacent);
  base::Result<void> spread(int shards);
  /// Changes all but the shards, durably. `change` may refuse.
  base::Result<void> change(const std::function<base::Result<void>(StreamFile&)>& change);

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
  /// The first record that came at `time` or later; the end if there is none.
  base::Result<base::Offset> offset_at(base::ShardId shard, base::Time time) const;
  /// Waits until some shard has a record at or after its position, the time is over, or a stop is
  /// asked for. True if there is something to read.
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) const;

  /// Tells that nobody will read before `positions` again: what retention may drop. Nothing is
  /// dropped before the first call. Shards that are not among the positions release nothing.
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
