#include "log/hash_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/md5.hpp"

namespace millrace::log {

HashKey hash_key_of(std::string_view partition_key) {
  HashKey key = 0;
  for (const auto byte : base::md5(partition_key)) key = key << 8 | byte;
  return key;
}

std::string decimal(HashKey key) {
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(key % 10));
    key /= 10;
  } while (key != 0);
  std::ranges::reverse(digits);
  return digits;
}

std::optional<HashKey> parse_decimal(std::string_view text) {
  if (text.empty() || text.size() > 39) return std::nullopt;
  HashKey key = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    const auto value = static_cast<HashKey>(digit - '0');
    if (key > (kHashKeyMax - value) / 10) return std::nullopt;
    key = key * 10 + value;
  }
  return key;
}

std::string hexadecimal(HashKey key) {
  return fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(key >> 64),
                     static_cast<std::uint64_t>(key));
}

std::optional<HashKey> parse_hexadecimal(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  std::uint64_t halves[2] = {};
  for (std::size_t i = 0; i < 2; ++i) {
    const char* first = text.data() + i * 16;
    const auto [end, error] = std::from_chars(first, first + 16, halves[i], 16);
    if (error != std::errc() || end != first + 16) return std::nullopt;
  }
  return HashKey{halves[0]} << 64 | halves[1];
}

}  // namespace millrace::log
