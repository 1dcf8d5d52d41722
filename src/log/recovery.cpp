// The part of a shard that runs at start.

#include <fmt/format.h>

#include <algorithm>

#include "log/shard.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;

Result<void> Shard::recover() {
  TRY(os::make_directories_durably(around_.disk, options_.folder));
  TRY(open_segments());
  TRY(check_order());
  // The last life may have ended between a new name and its sync.
  TRY(around_.disk.sync_directory(options_.folder));
  for (std::size_t i = 0; i + 1 < segments_.size(); ++i) {
    segments_[i]->seal(segments_[i + 1]->header().base);
    sealed_bytes_ += segments_[i]->file_bytes();
  }
  return recover_tail();
}

Result<void> Shard::open_segments() {
  for (const auto& file : TRY(around_.disk.list(options_.folder))) {
    const os::Path path = options_.folder / file.name;
    if (file.name.ends_with(".log.new")) {
      TRY(around_.disk.remove(path));
    } else if (file.name.ends_with(".log")) {
      segments_.push_back(TRY(Segment::open(around_.disk, path)));
      const auto& header = segments_.back()->header();
      if (header.incarnation != options_.incarnation || header.shard != options_.id ||
          segment_name(header.sequence, header.base) != file.name) {
        return Error{Code::Corrupt,
                     "the segment does not belong here: it is another log's, "
                     "another shard's, or was renamed",
                     path.string()};
      }
    }
  }
  return {};
}

Result<void> Shard::check_order() const {
  for (std::size_t i = 0; i + 1 < segments_.size(); ++i) {
    if (segments_[i]->header().base > segments_[i + 1]->header().base) {
      return Error{
          Code::Corrupt,
          fmt::format("the segment begins at offset {}, but one before it at {}",
                      segments_[i + 1]->header().base.value(), segments_[i]->header().base.value()),
          segments_[i + 1]->path().string()};
    }
  }
  return {};
}

Result<void> Shard::recover_tail() {
  if (segments_.empty()) return {};
  sequence_next_ = segments_.back()->header().sequence + 1;
  Segment& last = *segments_.back();
  const Tail tail = TRY(last.read_tail());
  if (tail.torn_bytes > 0) around_.events.tail_dropped(last.path(), tail.torn_bytes);
  last.seal(tail.end);
  end_ = tail.end;
  return tail.is_marked ? Result<void>() : write_anew(last, tail);
}

// The last group may be in the page cache only, and its sync may have failed in the last life,
// after which the kernel takes its pages for clean: no sync of that file says anything any more. So
// the group is written again, into a segment that overrules the first copy.
Result<void> Shard::write_anew(Segment& last, const Tail& tail) {
  GroupWriter group;
  for (Offset at = tail.last_group; at < tail.end;) {
    const auto batch = TRY(last.read(at, std::uint64_t{1} << 24));
    for (const auto& record : batch.records) {
      group.add(record.partition_key, record.bytes, record.received_at);
    }
    at = batch.next;
  }
  end_ = tail.last_group;
  const std::uint64_t record_count = group.record_count();
  TRY(begin_segment(group).context("writing the log's last records anew"));
  close();  // they are durable now: a marker says so
  around_.events.tail_written_anew(options_.id, record_count);
  return {};
}

}  // namespace millrace::log
