#include "parquet/rle.hpp"

#include <algorithm>
#include <bit>

namespace millrace::parquet {
namespace {

constexpr std::size_t kGroup = 8;

void append_varint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// Whole groups; the last one is filled up with zeros.
template <class T>
void append_packed(std::span<const T> values, int width, std::string& out) {
  if (values.empty()) return;
  const std::size_t groups = (values.size() + kGroup - 1) / kGroup;
  append_varint(groups << 1 | 1, out);
  const auto end = out.size() + groups * static_cast<std::size_t>(width);
  std::uint64_t bits = 0;
  int count = 0;
  for (const T value : values) {
    bits |= std::uint64_t{value} << count;
    for (count += width; count >= 8; count -= 8, bits >>= 8) {
      out.push_back(static_cast<char>(bits));
    }
  }
  if (count > 0) out.push_back(static_cast<char>(bits));
  out.resize(end, '\0');
}

template <class T>
void append_hybrid(std::span<const T> values, int width, std::string& out) {
  std::size_t packed_from = 0;
  for (std::size_t at = 0; at < values.size();) {
    const auto end = std::find_if(values.begin() + static_cast<std::ptrdiff_t>(at), values.end(),
                                  [&](T value) { return value != values[at]; });
    const auto run = static_cast<std::size_t>(end - values.begin()) - at;
    // A group that is begun has to be filled before a run may follow.
    const auto missing = (kGroup - (at - packed_from) % kGroup) % kGroup;
    if (run < missing + kGroup) {
      at += run;
      continue;
    }
    append_packed(values.subspan(packed_from, at + missing - packed_from), width, out);
    append_run(values[at], run - missing, width, out);
    at = packed_from = at + run;
  }
  append_packed(values.subspan(packed_from), width, out);
}

}  // namespace

int bit_width(std::uint32_t highest) {
  return static_cast<int>(std::bit_width(highest));
}

void append_run(std::uint32_t value, std::size_t count, int width, std::string& out) {
  append_varint(count << 1, out);
  for (int bits = 0; bits < width; bits += 8) out.push_back(static_cast<char>(value >> bits));
}

void append_rle(std::span<const std::uint8_t> values, int width, std::string& out) {
  append_hybrid(values, width, out);
}

void append_rle(std::span<const std::uint32_t> values, int width, std::string& out) {
  append_hybrid(values, width, out);
}

}  // namespace millrace::parquet
