#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/id.hpp"

/// The bytes of a segment. docs/formats/log.md explains them. All numbers are little-endian.
namespace millrace::log {

inline constexpr std::string_view kSegmentMagic = "MILLLOG1";
inline constexpr std::string_view kBatchMagic = "MRB1";
inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kBatchHeaderBytes = 56;
/// A record's three varints at their longest.
inline constexpr std::size_t kRecordHeaderBytesMax = 30;

using IncarnationBytes = std::array<std::uint8_t, 16>;

/// What a segment file begins with.
struct SegmentHeader {
  IncarnationBytes incarnation{};
  std::uint64_t sequence = 0;  ///< grows with each segment of a shard; the higher one rules
  base::Offset base;           ///< of its first record
  base::Time created_at;
  base::ShardId shard;
  std::uint32_t salt = 0;  ///< random, so that no record can be made to look like a batch

  bool operator==(const SegmentHeader&) const = default;
};

/// A header and its checksum, which seeds every checksum of the segment: a batch counts only in the
/// segment that it was written for.
struct SealedHeader {
  SegmentHeader header;
  std::uint64_t seed = 0;
};

std::string encode_segment_header(const SegmentHeader& header);
/// None: damaged, or of another version.
std::optional<SealedHeader> decode_segment_header(std::string_view bytes);

/// What each batch begins with. A group is what one write and one sync made durable: one batch or
/// several, the last of which says so.
struct BatchHeader {
  base::Offset base;
  base::Time received_at;  ///< of its first record
  std::uint32_t payload_bytes = 0;
  std::uint32_t record_count = 0;
  std::uint64_t group_at = 0;  ///< where its group begins in the file
  bool ends_group = false;
  std::uint64_t payload_checksum = 0;

  base::Offset end() const { return base.plus(record_count); }
  std::uint64_t bytes() const { return kBatchHeaderBytes + payload_bytes; }
  bool operator==(const BatchHeader&) const = default;
};

/// Writes `kBatchHeaderBytes` to `into`.
void put_batch_header(const BatchHeader& header, std::uint64_t seed, char* into);
/// None: too short, damaged, or of another segment.
std::optional<BatchHeader> read_batch_header(std::string_view bytes, std::uint64_t seed);

std::uint64_t checksum(std::string_view bytes, std::uint64_t seed);

/// Appends a LEB128 varint; returns the byte after it. Needs up to 10 bytes.
char* put_varint(std::uint64_t value, char* into);
/// Takes a varint off the front; none if it does not end or is too long.
std::optional<std::uint64_t> take_varint(std::string_view& bytes);

std::optional<IncarnationBytes> parse_incarnation(std::string_view uuid);

/// `0000000007-00000000000000004096.log`: sequence and base offset.
std::string segment_name(std::uint64_t sequence, base::Offset base);

}  // namespace millrace::log
