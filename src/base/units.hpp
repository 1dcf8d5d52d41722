#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::base {

inline namespace literals {
constexpr std::uint64_t operator""_KiB(unsigned long long count) {
  return count << 10;
}
constexpr std::uint64_t operator""_MiB(unsigned long long count) {
  return count << 20;
}
constexpr std::uint64_t operator""_GiB(unsigned long long count) {
  return count << 30;
}
}  // namespace literals

/// Reads `128MB`, `1GiB`, `512`, `1.5KB`. Decimal units are powers of 1000, binary ones of 1024.
/// Errors  Invalid: no number, unknown unit, or above 2^63.
Result<std::uint64_t> parse_bytes(std::string_view text);
/// `1.2 MiB`, for people.
std::string format_bytes(std::uint64_t bytes);

/// Reads `500ms`, `10s`, `5m`, `24h`, `7d`, and sums of them (`1h30m`).
/// Errors  Invalid: no unit, unknown unit, negative, or beyond a thousand years.
Result<std::chrono::microseconds> parse_duration(std::string_view text);
/// `1h30m`, `250ms`: what parse_duration reads.
std::string format_duration(std::chrono::microseconds duration);

}  // namespace millrace::base
