#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sql/render.hpp"

namespace millrace::decode {

/// A decimal number's text as a whole number of units of 10^-scale, exactly.
/// Shape   `12`, `-0.5`, `1e2`, `1.5E-1`; more digits after the point than `scale` only if they are
/// zeros. Returns none if it is no number or does not fit `precision` digits; then `is_number` says
/// which.
std::optional<sql::Int128> parse_decimal(std::string_view text, std::uint8_t precision,
                                         std::uint8_t scale, bool& is_number);

/// True if the whole text is a decimal number: sign, digits, point, exponent.
bool is_decimal_number(std::string_view text);

/// How many bytes at the front of `text` are a number as JSON writes it (no `+`, no leading zero, a
/// digit on each side of the point); 0 if there is none.
std::size_t json_number_size(std::string_view text);

/// Days since 1970-01-01 of `2026-11-20`, a day of the calendar in the years 0000 to 9999.
std::optional<std::int32_t> parse_date(std::string_view text);

enum class Zone : std::uint8_t { Required, Forbidden };

/// Microseconds since 1970 of `2026-11-20T12:00:00.123Z`: RFC 3339 with its zone, or without one,
/// as if it were UTC.
std::optional<std::int64_t> parse_moment(std::string_view text, Zone zone);

/// The years 0001 to 9999: what every reader of the tables can hold.
constexpr std::int32_t kDayFirst = -719'162;
constexpr std::int32_t kDayLast = 2'932'896;
constexpr std::int64_t kMicrosPerDay = 86'400'000'000;
constexpr std::int64_t kMomentFirst = kDayFirst * kMicrosPerDay;
constexpr std::int64_t kMomentLast = (kDayLast + std::int64_t{1}) * kMicrosPerDay - 1;

}  // namespace millrace::decode
