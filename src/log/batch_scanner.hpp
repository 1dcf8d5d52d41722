#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/record.hpp"
#include "log/format.hpp"
#include "os/disk.hpp"

namespace millrace::log {

/// What a walk over a segment checks.
enum class Check : std::uint8_t { Headers, Everything };

/// A batch of a segment file. `payload` is good until the next step, and only when everything is
/// checked.
struct FoundBatch {
  std::uint64_t at = 0;
  BatchHeader header;
  std::string_view payload;
};

/// Walks over the batches of a segment, from its first one on.
/// Threads: one at a time.
class BatchScanner {
 public:
  BatchScanner(const os::File& file, const SealedHeader& segment, Check check);

  /// The batch at `position()`, which then moves behind it. None: there is no good batch there, or
  /// the file ends.
  base::Result<std::optional<FoundBatch>> next();
  std::uint64_t position() const { return position_; }
  base::Offset expected() const { return expected_; }

  /// The first good batch header after `position()` of a group that begins after `group_at`.
  base::Result<std::optional<BatchHeader>> find_later_group(std::uint64_t group_at);

 private:
  base::Result<std::string_view> view(std::uint64_t at, std::uint64_t bytes);

  const os::File& file_;
  const std::uint64_t seed_;
  const Check check_;
  const std::uint64_t file_bytes_;
  std::uint64_t position_ = kSegmentHeaderBytes;
  base::Offset expected_;
  std::string window_;
  std::uint64_t window_at_ = 0;
};

/// Calls `take(record)` for each record of a batch whose checksum was right, until it returns
/// false. Returns false if the payload is no list of records all the same.
template <class Take>
bool each_record(const BatchHeader& header, std::string_view payload, Take take) {
  for (std::uint32_t i = 0; i < header.record_count; ++i) {
    const auto key_bytes = take_varint(payload);
    const auto body_bytes = take_varint(payload);
    const auto later = take_varint(payload);
    if (!key_bytes || !body_bytes || !later) return false;
    if (*key_bytes > payload.size() || *body_bytes > payload.size() - *key_bytes) return false;
    const base::Record record{
        .offset = header.base.plus(i),
        .received_at =
            header.received_at + std::chrono::microseconds(static_cast<std::int64_t>(*later)),
        .partition_key = payload.substr(0, *key_bytes),
        .bytes = payload.substr(*key_bytes, *body_bytes)};
    payload.remove_prefix(*key_bytes + *body_bytes);
    if (!take(record)) return true;
  }
  return payload.empty();
}

}  // namespace millrace::log
