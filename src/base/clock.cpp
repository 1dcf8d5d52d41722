#include "base/clock.hpp"

#include <date/date.h>
#include <fmt/format.h>

#include <string_view>

#include "base/text.hpp"

namespace millrace::base {
namespace {

bool take(std::string_view& rest, std::string_view word) {
  if (!rest.starts_with(word)) return false;
  rest.remove_prefix(word.size());
  return true;
}

bool take_digits(std::string_view& rest, std::size_t count, int& number) {
  if (rest.size() < count) return false;
  number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (rest[i] < '0' || rest[i] > '9') return false;
    number = number * 10 + (rest[i] - '0');
  }
  rest.remove_prefix(count);
  return true;
}

// The digits after the point as microseconds, finer ones cut off; -1 if there are none.
std::int64_t take_micros(std::string_view& rest) {
  std::int64_t micros = 0;
  std::size_t count = 0;
  for (; count < rest.size() && rest[count] >= '0' && rest[count] <= '9'; ++count) {
    if (count < 6) micros = micros * 10 + (rest[count] - '0');
  }
  for (std::size_t i = count; i < 6; ++i) micros *= 10;
  rest.remove_prefix(count);
  return count == 0 ? -1 : micros;
}

bool take_offset(std::string_view& rest, std::chrono::minutes& offset) {
  if (take(rest, "Z") || take(rest, "z")) return true;
  const int sign = take(rest, "+") ? 1 : take(rest, "-") ? -1 : 0;
  int hours = 0, minutes = 0;
  if (sign == 0 || !take_digits(rest, 2, hours)) return false;
  const bool has_minutes = take(rest, ":") || !rest.empty();
  if (has_minutes && !take_digits(rest, 2, minutes)) return false;
  offset = std::chrono::minutes(sign * (hours * 60 + minutes));
  return hours <= 18 && minutes < 60;
}

}  // namespace

Time SystemClock::now() const {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}
SteadyTime SystemClock::steady_now() const {
  return std::chrono::steady_clock::now();
}

Time FixedClock::now() const {
  std::lock_guard lock(mutex_);
  return now_;
}
SteadyTime FixedClock::steady_now() const {
  std::lock_guard lock(mutex_);
  return SteadyTime{} + std::chrono::hours(24) + elapsed_;
}
void FixedClock::advance(std::chrono::microseconds by) {
  std::lock_guard lock(mutex_);
  now_ += by;
  elapsed_ += by;
}
void FixedClock::set(Time now) {
  std::lock_guard lock(mutex_);
  now_ = now;
}

std::string format_time(Time time) {
  return date::format("%FT%TZ", time);
}

Result<Time> parse_time(std::string_view text) {
  const auto error = [&] {
    return Error{Code::Invalid,
                 fmt::format("'{}' is not a time like 2026-11-23T08:30:00Z", printable(text))};
  };
  std::string_view rest = text;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const bool has_date = take_digits(rest, 4, year) && take(rest, "-") &&
                        take_digits(rest, 2, month) && take(rest, "-") && take_digits(rest, 2, day);
  const bool has_time = has_date && (take(rest, "T") || take(rest, "t") || take(rest, " ")) &&
                        take_digits(rest, 2, hour) && take(rest, ":") &&
                        take_digits(rest, 2, minute) && take(rest, ":") &&
                        take_digits(rest, 2, second);
  const date::year_month_day calendar{date::year(year), date::month(static_cast<unsigned>(month)),
                                      date::day(static_cast<unsigned>(day))};
  if (!has_time || !calendar.ok() || hour > 23 || minute > 59 || second > 59) return error();
  const std::int64_t micros = take(rest, ".") ? take_micros(rest) : 0;
  std::chrono::minutes offset{0};
  if (micros < 0 || !take_offset(rest, offset) || !rest.empty()) return error();
  return Time(date::sys_days(calendar).time_since_epoch() + std::chrono::hours(hour) +
              std::chrono::minutes(minute) - offset + std::chrono::seconds(second) +
              std::chrono::microseconds(micros));
}

}  // namespace millrace::base
