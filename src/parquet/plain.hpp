#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "sql/render.hpp"

namespace millrace::parquet {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they stand");

/// Appends values in Parquet's encoding PLAIN: numbers as they are, small ones widened to 32 bits,
/// DECIMAL of more than 18 digits as 16 bytes with the highest first, texts behind their lengths.
/// Source  Encodings.md of parquet-format, "Plain".
inline void append_plain(std::string_view value, std::string& out) {
  const auto length = static_cast<std::uint32_t>(value.size());
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out += value;
}

inline void append_plain(sql::Int128 value, std::string& out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  std::reverse(std::begin(bytes), std::end(bytes));
  out.append(bytes, sizeof bytes);
}

template <class T>
  requires std::is_arithmetic_v<T>
void append_plain(T value, std::string& out) {
  if constexpr (sizeof(T) < sizeof(std::int32_t)) {
    append_plain(std::int32_t{value}, out);
  } else {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
}

/// How many bytes it appends.
inline std::size_t plain_bytes(std::string_view value) {
  return sizeof(std::uint32_t) + value.size();
}
template <class T>
std::size_t plain_bytes(T) {
  return std::max(sizeof(T), sizeof(std::int32_t));
}

template <class T>
void append_plain(std::span<const T> values, std::string& out) {
  if constexpr (std::is_arithmetic_v<T> && sizeof(T) >= sizeof(std::int32_t)) {
    out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  } else {
    for (const auto& value : values) append_plain(value, out);
  }
}

/// BOOLEAN: a bit each, the lowest first.
inline void append_bits(std::span<const std::int8_t> values, std::string& out) {
  const auto at = out.size();
  out.resize(at + (values.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) out[at + i / 8] = static_cast<char>(out[at + i / 8] | 1 << i % 8);
  }
}

}  // namespace millrace::parquet
