#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/record.hpp"
#include "log/format.hpp"
#include "log/group_writer.hpp"
#include "os/disk.hpp"

namespace millrace::log {

/// What a segment's file holds that can be relied on.
struct Tail {
  base::Offset end;
  std::uint64_t bytes = 0;       ///< of the file, up to the last good group's end
  std::uint64_t torn_bytes = 0;  ///< after that: a write that was not finished
  base::Offset last_group;       ///< first offset of the last group
  bool is_marked = true;         ///< nothing is in doubt: the segment is empty, or ends in a marker
};

/// One file of a shard. It is appended to in one life of the process only, and ends where the next
/// one begins.
/// Threads: safe from any; `append` from one at a time.
class Segment {
 public:
  /// Puts a new segment into `folder`, durably, together with the records of `first`.
  static base::Result<std::shared_ptr<Segment>> create(os::Disk& disk, const os::Path& folder,
                                                       const SegmentHeader& header,
                                                       GroupWriter& first);
  /// Opens a segment of an earlier life.
  /// Errors  Corrupt: its header is damaged.
  static base::Result<std::shared_ptr<Segment>> open(os::Disk& disk, const os::Path& path);

  const SegmentHeader& header() const { return sealed_.header; }
  const os::Path& path() const { return path_; }
  base::Offset end() const;
  std::uint64_t file_bytes() const;

  /// Finds the end of a shard's last segment; everything is checked.
  /// Errors  Corrupt: bad bytes before a group that was written later, so they had been synced.
  base::Result<Tail> read_tail();
  /// Says where it ends: at its last good group, or where the next segment begins.
  void seal(base::Offset end);

  /// Writes and syncs a group.
  /// Errors  as the disk says; then the file must not be written to again.
  base::Result<void> append(GroupWriter& group);
  /// Cuts off what a failed write left, as far as the disk lets.
  void cut_failed_write();

  /// The records from `from` on, which is in this segment.
  /// Errors  Corrupt, with the file and the offsets.
  base::Result<base::RecordBatch> read(base::Offset from, std::uint64_t bytes_max);
  /// Lets go of the file until the next read.
  void close_file();

 private:
  struct IndexEntry {
    base::Offset base;
    std::uint64_t at = 0;
  };
  // Where to read.
  struct Place {
    std::shared_ptr<os::File> file;
    std::uint64_t at = 0;   // of a batch at or before the record
    std::uint64_t end = 0;  // of what is durable
  };

  Segment(os::Disk& disk, os::Path path, const SealedHeader& sealed);
  void extend(const std::vector<BatchHeader>& batches);
  base::Result<Place> locate(base::Offset from);
  // The caller holds mutex_.
  base::Result<void> open_file();
  base::Result<void> build_index();
  void note(base::Offset base, std::uint64_t at);
  base::Error corrupt(base::Offset from, base::Offset to, std::uint64_t at) const;

  os::Disk& disk_;
  const os::Path path_;
  const SealedHeader sealed_;

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  std::shared_ptr<os::File> file_;
  std::vector<IndexEntry> index_;  // a batch for every so many bytes
  bool is_indexed_ = false;
  base::Offset end_;
  base::Offset intact_end_;  // before end_ if a header is damaged
  std::uint64_t durable_bytes_ = kSegmentHeaderBytes;
  std::uint64_t file_bytes_ = kSegmentHeaderBytes;
};

}  // namespace millrace::log
