#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "config/time_zone.hpp"

namespace millrace::verify {

/// Text of values, appended without allocation: a million records a second pass here.

/// Decimal digits, with zeros in front up to `width`.
void append_number(std::string& into, std::uint64_t number, int width = 1);
/// Hundredths as `12.05`, `-0.50`.
void append_cents(std::string& into, std::int64_t cents);
/// 16 bytes as `3f2504e0-4f89-41d3-9a0c-0305e82c3301`.
void append_uuid(std::string& into, std::uint64_t high, std::uint64_t low);
/// `2026-11-20T12:00:00.000000Z`; from 1970 to 9999.
void append_time(std::string& into, base::Time time);
/// `2026-11-20`.
void append_day(std::string& into, config::CalendarDay day);

}  // namespace millrace::verify
