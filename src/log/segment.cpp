#include "log/segment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.hpp"
#include "log/batch_scanner.hpp"
#include "log/block_reader.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::Error;
using base::Offset;
using base::RecordBatch;
using base::Result;
using namespace base::literals;

// A read begins at most so far before its record; the index of 10 GiB takes 10 MiB.
constexpr std::uint64_t kIndexBytes = 16_KiB;

}  // namespace

Segment::Segment(os::Disk& disk, os::Path path, const SealedHeader& sealed)
    : disk_(disk), path_(std::move(path)), sealed_(sealed), end_(sealed.header.base) {}

Result<std::shared_ptr<Segment>> Segment::create(os::Disk& disk, const os::Path& folder,
                                                 const SegmentHeader& header, GroupWriter& first) {
  const os::Path path = folder / segment_name(header.sequence, header.base);
  const os::Path unfinished = path.string() + ".new";
  const std::string bytes = encode_segment_header(header);
  const auto sealed = decode_segment_header(bytes);
  CHECK(sealed.has_value());
  std::shared_ptr<Segment> segment(new Segment(disk, path, *sealed));
  const auto write = [&]() -> Result<void> {
    segment->file_ = TRY(disk.open(unfinished, os::OpenMode::CreateNew));
    TRY(segment->file_->append(bytes));
    if (first.record_count() > 0) {
      const GroupPlace place{header.base, kSegmentHeaderBytes, sealed->seed};
      TRY(segment->file_->append(first.finish(place)));
      segment->extend(first.batches());
    }
    TRY(segment->file_->sync());
    TRY(disk.rename(unfinished, path));
    return disk.sync_directory(folder);
  };
  segment->is_indexed_ = true;
  if (auto written = write(); !written) {
    // What may be left is no danger: unfinished files are removed at the next start, and a finished
    // one is overruled by the next segment, which has a higher sequence and no lower base.
    (void)disk.remove(unfinished).has_value();
    (void)disk.remove(path).has_value();
    return std::move(written).error();
  }
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::open(os::Disk& disk, const os::Path& path) {
  std::shared_ptr<os::File> file = TRY(disk.open(path, os::OpenMode::Read));
  std::string bytes(kSegmentHeaderBytes, '\0');
  bytes.resize(TRY(file->read_at(0, bytes.data(), bytes.size())));
  const auto sealed = decode_segment_header(bytes);
  if (!sealed) {
    return Error{Code::Corrupt, "the segment's header is damaged, or of another version",
                 path.string()};
  }
  std::shared_ptr<Segment> segment(new Segment(disk, path, *sealed));
  segment->file_bytes_ = file->size();
  return segment;
}

Offset Segment::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

std::uint64_t Segment::file_bytes() const {
  const std::lock_guard lock(mutex_);
  return file_bytes_;
}

Result<Tail> Segment::read_tail() {
  const std::lock_guard lock(mutex_);
  TRY(open_file());
  BatchScanner scanner(*file_, sealed_, Check::Everything);
  Tail tail{.end = header().base, .bytes = kSegmentHeaderBytes, .last_group = header().base};
  Offset group = header().base;
  std::uint64_t group_at = kSegmentHeaderBytes;
  while (const auto found = TRY(scanner.next())) {
    if (found->header.group_at == found->at) {
      group = found->header.base;
      group_at = found->at;
    }
    if (!found->header.ends_group) continue;
    tail.end = found->header.end();
    tail.bytes = scanner.position();
    tail.is_marked = found->header.record_count == 0;
    tail.last_group = group;
  }
  // A group is written only after the one before it was synced. So only the last one can be torn.
  const bool is_at_group_end = scanner.position() == tail.bytes;
  const std::uint64_t torn_at = is_at_group_end ? tail.bytes : group_at;
  if (const auto later = TRY(scanner.find_later_group(torn_at))) {
    return corrupt(scanner.expected(), later->base, scanner.position());
  }
  tail.torn_bytes = file_bytes_ - tail.bytes;
  return tail;
}

void Segment::seal(Offset end) {
  const std::lock_guard lock(mutex_);
  end_ = end;
  file_.reset();
}

void Segment::close_file() {
  const std::lock_guard lock(mutex_);
  file_.reset();
}

Result<void> Segment::append(GroupWriter& group) {
  std::shared_ptr<os::File> file;
  GroupPlace place;
  {
    const std::lock_guard lock(mutex_);
    file = file_;
    place = {.base = end_, .file_at = durable_bytes_, .seed = sealed_.seed};
  }
  auto written = file->append(group.finish(place));
  if (written) written = file->sync();
  const std::lock_guard lock(mutex_);
  file_bytes_ = file->size();
  if (!written) return written;
  extend(group.batches());
  return {};
}

void Segment::cut_failed_write() {
  const std::lock_guard lock(mutex_);
  if (file_ && file_->truncate(durable_bytes_)) file_bytes_ = durable_bytes_;
}

Result<RecordBatch> Segment::read(Offset from, std::uint64_t bytes_max) {
  const Place place = TRY(locate(from));
  BlockReader reader({.file = place.file,
                      .at = place.at,
                      .end = place.end,
                      .seed = sealed_.seed,
                      .slack_bytes = kIndexBytes});
  auto batch = reader.read(from, bytes_max);
  if (batch && !batch->records.empty()) {
    batch->shard = header().shard;
    return batch;
  }
  if (!batch && batch.error().code != Code::Corrupt) return batch;
  const std::lock_guard lock(mutex_);
  return corrupt(reader.bad_base(), std::min(reader.bad_end(), end_), reader.bad_at());
}

// Called by the one writer, which either holds mutex_ or is alone with the segment.
void Segment::extend(const std::vector<BatchHeader>& batches) {
  for (const auto& batch : batches) {
    note(batch.base, durable_bytes_);
    durable_bytes_ += batch.bytes();
    end_ = batch.end();
    intact_end_ = end_;
  }
  file_bytes_ = std::max(file_bytes_, durable_bytes_);
}

void Segment::note(Offset base, std::uint64_t at) {
  if (index_.empty() || at >= index_.back().at + kIndexBytes) index_.push_back({base, at});
}

Result<Segment::Place> Segment::locate(Offset from) {
  const std::lock_guard lock(mutex_);
  TRY(open_file());
  if (!is_indexed_) TRY(build_index());
  if (from >= intact_end_) return corrupt(intact_end_, end_, durable_bytes_);
  const auto after = std::ranges::upper_bound(index_, from, {}, &IndexEntry::base);
  CHECK(after != index_.begin());
  return Place{.file = file_, .at = std::prev(after)->at, .end = durable_bytes_};
}

Result<void> Segment::open_file() {
  if (!file_) file_ = TRY(disk_.open(path_, os::OpenMode::Read));
  return {};
}

// What comes before a damaged header can still be read.
Result<void> Segment::build_index() {
  index_.clear();
  BatchScanner scanner(*file_, sealed_, Check::Headers);
  intact_end_ = header().base;
  durable_bytes_ = kSegmentHeaderBytes;
  while (intact_end_ < end_) {
    const auto found = TRY(scanner.next());
    if (!found || found->header.end() > end_) break;
    note(found->header.base, found->at);
    intact_end_ = found->header.end();
    durable_bytes_ = scanner.position();
  }
  is_indexed_ = true;
  return {};
}

Error Segment::corrupt(Offset from, Offset to, std::uint64_t at) const {
  return {Code::Corrupt,
          fmt::format("the records of shard {} from offset {} to before {} are damaged, at byte {} "
                      "of the segment",
                      header().shard.value(), from.value(), to.value(), at),
          path_.string()};
}

}  // namespace millrace::log
