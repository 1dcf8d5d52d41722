#include "log/block_reader.hpp"

#include <algorithm>
#include <limits>

#include "log/batch_scanner.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Offset;
using base::RecordBatch;
using base::Result;

namespace {

constexpr std::uint64_t kRecordsReservedMax = 65'536;

}  // namespace

Result<RecordBatch> BlockReader::read(Offset from, std::uint64_t bytes_max) {
  from_ = from;
  bytes_max_ = bytes_max;
  RecordBatch batch;
  batch.next = from;
  bad_base_ = from;
  bad_end_ = Offset(std::numeric_limits<std::int64_t>::max());
  for (std::uint64_t at = options_.at; at < options_.end;) {
    bad_at_ = at;
    const bool has_records = !batch.records.empty();
    if (loaded(at).size() < kBatchHeaderBytes) {
      if (has_records) break;
      TRY(load(at, kBatchHeaderBytes));
    }
    const auto header = read_batch_header(loaded(at), options_.seed);
    // Until the first record, batches before it are stepped over.
    const bool is_in_order =
        header && (has_records ? header->base == batch.next : header->base <= from_);
    if (!is_in_order && has_records) break;
    if (!is_in_order) return Error{Code::Corrupt, "a batch header is damaged"};
    if (header->record_count > 0 && header->end() > from_) {
      if (loaded(at).size() < header->bytes()) {
        if (has_records) break;
        TRY(load(at, header->bytes()));
      }
      if (loaded(at).size() < header->bytes()) return Error{Code::Corrupt, "a batch is cut short"};
      bad_base_ = header->base;
      bad_end_ = header->end();
      const auto payload =
          loaded(at).substr(kBatchHeaderBytes, static_cast<std::size_t>(header->payload_bytes));
      const auto has_room = take(*header, payload, batch);
      if (!has_room && has_records) break;  // the next read finds it first, and says so
      if (!TRY(has_room)) break;
      bad_base_ = header->end();
      bad_end_ = Offset(std::numeric_limits<std::int64_t>::max());
    }
    at += header->bytes();
  }
  batch.owner = block_;
  return batch;
}

// Only before the first record is taken: records point into the block.
Result<void> BlockReader::load(std::uint64_t at, std::uint64_t bytes) {
  const std::uint64_t left = options_.end - at;
  const std::uint64_t wanted = std::max(bytes, std::min(left, bytes_max_) + options_.slack_bytes);
  const std::uint64_t size = std::min(wanted, left);
  block_ = std::make_shared_for_overwrite<char[]>(size);
  block_at_ = at;
  block_bytes_ = 0;
  block_bytes_ = TRY(options_.file->read_at(at, block_.get(), size));
  return {};
}

std::string_view BlockReader::loaded(std::uint64_t at) const {
  if (at < block_at_ || at >= block_at_ + block_bytes_) return {};
  return {block_.get() + (at - block_at_), block_bytes_ - (at - block_at_)};
}

Result<bool> BlockReader::take(const BatchHeader& header, std::string_view payload,
                               RecordBatch& into) {
  if (checksum(payload, options_.seed) != header.payload_checksum) {
    return Error{Code::Corrupt, "a batch's checksum is wrong"};
  }
  if (into.records.empty()) {
    const std::uint64_t batches = std::max<std::uint64_t>(1, block_bytes_ / header.bytes());
    into.records.reserve(std::min(header.record_count * batches, kRecordsReservedMax));
  }
  bool has_room = true;
  const bool is_good = each_record(header, payload, [&](const base::Record& record) {
    if (record.offset < from_) return true;
    const std::uint64_t bytes = record.partition_key.size() + record.bytes.size();
    has_room = into.records.empty() || taken_bytes_ + bytes <= bytes_max_;
    if (!has_room) return false;
    taken_bytes_ += bytes;
    into.records.push_back(record);
    into.next = record.offset.next();
    return true;
  });
  if (!is_good) return Error{Code::Corrupt, "a batch is no list of records"};
  return has_room;
}

}  // namespace millrace::log
