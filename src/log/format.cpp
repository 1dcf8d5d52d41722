#include "log/format.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <cstring>

namespace millrace::log {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

constexpr std::uint32_t kEndsGroup = 1;

/// Writes and reads fields one after the other.
struct Writer {
  char* at;
  template <class T>
  void put(T value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
  }
  void put_bytes(const void* bytes, std::size_t size) {
    std::memcpy(at, bytes, size);
    at += size;
  }
};

struct Reader {
  const char* at;
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, at, sizeof value);
    at += sizeof value;
    return value;
  }
};

base::Time time_of(std::int64_t microseconds) {
  return base::Time(std::chrono::microseconds(microseconds));
}

}  // namespace

std::uint64_t checksum(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  Writer writer{bytes.data()};
  writer.put_bytes(kSegmentMagic.data(), kSegmentMagic.size());
  writer.put_bytes(header.incarnation.data(), header.incarnation.size());
  writer.put(header.sequence);
  writer.put(header.base.value());
  writer.put<std::int64_t>(header.created_at.time_since_epoch().count());
  writer.put(static_cast<std::uint32_t>(header.shard.value()));
  writer.put(header.salt);
  writer.put(checksum(std::string_view(bytes).substr(0, kSegmentHeaderBytes - 8), 0));
  return bytes;
}

std::optional<SealedHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kSegmentMagic)) return std::nullopt;
  Reader reader{bytes.data() + kSegmentMagic.size()};
  SealedHeader sealed;
  sealed.header.incarnation = reader.take<IncarnationBytes>();
  sealed.header.sequence = reader.take<std::uint64_t>();
  sealed.header.base = base::Offset(reader.take<std::int64_t>());
  sealed.header.created_at = time_of(reader.take<std::int64_t>());
  sealed.header.shard = base::ShardId(reader.take<std::uint32_t>());
  sealed.header.salt = reader.take<std::uint32_t>();
  sealed.seed = reader.take<std::uint64_t>();
  if (sealed.seed != checksum(bytes.substr(0, kSegmentHeaderBytes - 8), 0)) return std::nullopt;
  return sealed;
}

void put_batch_header(const BatchHeader& header, std::uint64_t seed, char* into) {
  Writer writer{into};
  writer.put_bytes(kBatchMagic.data(), kBatchMagic.size());
  writer.put(header.ends_group ? kEndsGroup : std::uint32_t{0});
  writer.put(header.base.value());
  writer.put<std::int64_t>(header.received_at.time_since_epoch().count());
  writer.put(header.payload_bytes);
  writer.put(header.record_count);
  writer.put(header.group_at);
  writer.put(header.payload_checksum);
  writer.put(checksum({into, kBatchHeaderBytes - 8}, seed));
}

std::optional<BatchHeader> read_batch_header(std::string_view bytes, std::uint64_t seed) {
  if (bytes.size() < kBatchHeaderBytes || !bytes.starts_with(kBatchMagic)) return std::nullopt;
  Reader reader{bytes.data() + kBatchMagic.size()};
  const auto flags = reader.take<std::uint32_t>();
  BatchHeader header;
  header.ends_group = (flags & kEndsGroup) != 0;
  header.base = base::Offset(reader.take<std::int64_t>());
  header.received_at = time_of(reader.take<std::int64_t>());
  header.payload_bytes = reader.take<std::uint32_t>();
  header.record_count = reader.take<std::uint32_t>();
  header.group_at = reader.take<std::uint64_t>();
  header.payload_checksum = reader.take<std::uint64_t>();
  if (reader.take<std::uint64_t>() != checksum(bytes.substr(0, kBatchHeaderBytes - 8), seed)) {
    return std::nullopt;
  }
  return header;
}

char* put_varint(std::uint64_t value, char* into) {
  while (value >= 0x80) {
    *into++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *into++ = static_cast<char>(value);
  return into;
}

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::optional<IncarnationBytes> parse_incarnation(std::string_view uuid) {
  IncarnationBytes bytes{};
  std::size_t digits = 0;
  if (uuid.size() != 36) return std::nullopt;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    const char c = uuid[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    int value = -1;
    if (c >= '0' && c <= '9') value = c - '0';
    if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
    if (value < 0) return std::nullopt;
    auto& byte = bytes.at(digits++ / 2);
    byte = static_cast<std::uint8_t>((byte << 4) | value);
  }
  return bytes;
}

std::string segment_name(std::uint64_t sequence, base::Offset base) {
  return fmt::format("{:010}-{:020}.log", sequence, base.value());
}

}  // namespace millrace::log
