#include "kinesis/sequence_number.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace millrace::kinesis {
namespace {

constexpr std::size_t kHexDigits = 47;
constexpr std::size_t kDecimalsMax = 57;  // of 188 bits

// 192 bits, the least significant word first.
using Number = std::array<std::uint32_t, 6>;

std::uint32_t hex_value(char digit) {
  return static_cast<std::uint32_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

std::string decimal_of(std::string_view hex) {
  Number number{};
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const std::size_t place = hex.size() - 1 - i;
    number[place / 8] |= hex_value(hex[i]) << place % 8 * 4;
  }
  // Nine digits at a time, the last ones first.
  std::array<std::uint32_t, 7> groups{};
  for (auto& group : groups) {
    std::uint64_t rest = 0;
    for (std::size_t i = number.size(); i-- > 0;) {
      const std::uint64_t part = rest << 32 | number[i];
      number[i] = static_cast<std::uint32_t>(part / 1'000'000'000);
      rest = part % 1'000'000'000;
    }
    group = static_cast<std::uint32_t>(rest);
  }
  std::string text;
  for (std::size_t i = groups.size(); i-- > 0;) {
    if (!text.empty()) {
      text += fmt::format("{:09}", groups[i]);
    } else if (groups[i] > 0) {
      text = std::to_string(groups[i]);
    }
  }
  return text;
}

// None: not 47 hexadecimal digits.
std::optional<std::string> hex_of(std::string_view decimal) {
  if (decimal.empty() || decimal.size() > kDecimalsMax) return std::nullopt;
  Number number{};
  for (const char digit : decimal) {
    if (digit < '0' || digit > '9') return std::nullopt;
    std::uint64_t carry = static_cast<std::uint64_t>(digit - '0');
    for (auto& word : number) {
      const std::uint64_t product = std::uint64_t{word} * 10 + carry;
      word = static_cast<std::uint32_t>(product);
      carry = product >> 32;
    }
  }
  std::string hex;
  for (std::size_t i = number.size(); i-- > 0;) hex += fmt::format("{:08x}", number[i]);
  if (!hex.starts_with("02")) return std::nullopt;
  return hex.substr(hex.size() - kHexDigits);
}

std::optional<std::int64_t> field(std::string_view hex, std::size_t at, std::size_t digits) {
  std::int64_t value = 0;
  const char* first = hex.data() + at;
  const auto [end, error] = std::from_chars(first, first + digits, value, 16);
  if (error != std::errc() || end != first + digits) return std::nullopt;
  return value;
}

std::int64_t seconds_of(base::Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

std::string SequenceNumber::text() const {
  const auto created = seconds_of(shard_created_at);
  return decimal_of(fmt::format("2{:09x}{:x}{:016x}00{:09x}{:08x}2", created, shard.value() % 16,
                                index, created, shard.value()));
}

std::optional<SequenceNumber> SequenceNumber::parse(std::string_view text) {
  const auto hex = hex_of(text);
  if (!hex || hex->back() != '2') return std::nullopt;
  const auto created = field(*hex, 1, 9);
  const auto shard_end = field(*hex, 10, 1);
  const auto index = field(*hex, 11, 16);
  const auto shard = field(*hex, 38, 8);
  if (!created || !shard_end || !index || !shard || *shard % 16 != *shard_end) return std::nullopt;
  return SequenceNumber{base::ShardId(*shard), base::Time(std::chrono::seconds(*created)), *index};
}

}  // namespace millrace::kinesis
