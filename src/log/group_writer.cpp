#include "log/group_writer.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace millrace::log {
namespace {

using namespace base::literals;

// Readers read, check and skip whole batches: neither many headers nor much to read for one record.
constexpr std::size_t kBatchBytes = 256_KiB;
constexpr std::size_t kBufferBytesKept = 32_MiB;

}  // namespace

void GroupWriter::begin_batch(base::Time received_at) {
  batches_.push_back({.at = buffer_.size(), .record_count = 0, .received_at = received_at});
  buffer_.append(kBatchHeaderBytes, '\0');
}

void GroupWriter::add(std::string_view partition_key, std::string_view bytes,
                      base::Time received_at) {
  if (batches_.empty() || buffer_.size() - batches_.back().at >= kBatchBytes) {
    begin_batch(received_at);
  }
  Batch& batch = batches_.back();
  // A clock that was set back does not go below the batch's first record.
  const auto later = std::max(received_at - batch.received_at, std::chrono::microseconds(0));
  char header[kRecordHeaderBytesMax];
  char* end = put_varint(partition_key.size(), header);
  end = put_varint(bytes.size(), end);
  end = put_varint(static_cast<std::uint64_t>(later.count()), end);
  buffer_.append(header, end).append(partition_key).append(bytes);
  ++batch.record_count;
  ++record_count_;
}

std::string_view GroupWriter::finish(const GroupPlace& place) {
  if (batches_.empty()) begin_batch({});
  headers_.clear();
  base::Offset next = place.base;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const Batch& batch = batches_[i];
    const bool is_last = i + 1 == batches_.size();
    const std::size_t end = is_last ? buffer_.size() : batches_[i + 1].at;
    const std::size_t payload_at = batch.at + kBatchHeaderBytes;
    const auto payload = std::string_view(buffer_).substr(payload_at, end - payload_at);
    headers_.push_back({.base = next,
                        .received_at = batch.received_at,
                        .payload_bytes = static_cast<std::uint32_t>(payload.size()),
                        .record_count = batch.record_count,
                        .group_at = place.file_at,
                        .ends_group = is_last,
                        .payload_checksum = checksum(payload, place.seed)});
    put_batch_header(headers_.back(), place.seed, buffer_.data() + batch.at);
    next = headers_.back().end();
  }
  return buffer_;
}

void GroupWriter::clear() {
  if (buffer_.capacity() > kBufferBytesKept) buffer_ = {};
  buffer_.clear();
  batches_.clear();
  headers_.clear();
  record_count_ = 0;
}

}  // namespace millrace::log
