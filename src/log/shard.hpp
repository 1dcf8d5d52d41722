#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/record.hpp"
#include "log/events.hpp"
#include "log/group_writer.hpp"
#include "log/segment.hpp"
#include "os/disk.hpp"

namespace millrace::log {

struct ShardOptions {
  os::Path folder;
  base::ShardId id;
  IncarnationBytes incarnation{};
  std::uint64_t segment_bytes = 0;
  std::chrono::microseconds segment_age{0};
};

/// What a shard lives on.
struct Surroundings {
  os::Disk& disk;
  const base::Clock& clock;
  base::Random& random;
  Events& events;
};

/// A row of segments, the last of which may be appended to.
/// Threads: what is const is safe from any; the rest from one at a time.
class Shard {
 public:
  /// Recovers what is there: docs/formats/log.md, "At start".
  /// Errors  Corrupt: damage that no power cut explains. Exhausted: no room to recover in.
  static base::Result<std::unique_ptr<Shard>> open(const ShardOptions& options,
                                                   const Surroundings& around);

  base::Offset oldest() const;
  base::Offset end() const;
  std::uint64_t bytes() const;
  std::size_t segment_count() const;

  /// An offset at or before the first record that came at `time` or later, in its segment.
  base::Offset near(base::Time time) const;
  /// See Stream::read.
  base::Result<base::RecordBatch> read(base::Offset from, std::uint64_t bytes_max) const;

  /// Makes a group durable; its first offset is what `end()` was before.
  /// Errors  Exhausted: the disk is full. Unavailable: any other; the records are not in the log,
  /// unless the process ends before the disk works again.
  base::Result<void> commit(GroupWriter& group);
  /// Ends the active segment, so that it can be dropped; nothing if it is empty.
  base::Result<void> roll();
  bool is_old(base::Time now) const;
  /// Says that all is durable, so that the next start need not doubt it.
  void close();

  /// The oldest segment, if another one follows.
  struct OldestSegment {
    base::Offset end;
    base::Time ended_at;
  };
  std::optional<OldestSegment> oldest_segment() const;
  base::Result<void> drop_oldest();

 private:
  using SegmentPtr = std::shared_ptr<Segment>;

  Shard(const ShardOptions& options, const Surroundings& around);
  base::Result<void> recover();
  base::Result<void> open_segments();
  base::Result<void> check_order() const;
  base::Result<void> recover_tail();
  base::Result<void> write_anew(Segment& last, const Tail& tail);
  base::Result<void> begin_segment(GroupWriter& first);
  base::Error give_up_segment(base::Error error);
  base::Error failed(base::Error error) const;

  const ShardOptions options_;
  const Surroundings around_;
  // All below up to the mutex: of the writer alone.
  SegmentPtr active_;
  std::uint64_t sequence_next_ = 0;

  mutable std::mutex mutex_;
  // All below: guarded by mutex_; changed by the writer alone.
  std::vector<SegmentPtr> segments_;  // oldest first
  std::uint64_t sealed_bytes_ = 0;    // of all but the last
  base::Offset end_;
  mutable SegmentPtr last_read_;  // its file is open
};

}  // namespace millrace::log
