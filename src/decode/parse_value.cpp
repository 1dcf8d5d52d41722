#include "decode/parse_value.hpp"

#include <date/date.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/clock.hpp"

namespace millrace::decode {
namespace {

using sql::Int128;

constexpr int kExponentMax = 1000;
// What an int64 holds whatever the digits are.
constexpr std::size_t kPlainDigitsMax = 18;
constexpr std::array<std::int64_t, kPlainDigitsMax + 1> kPowersOfTen = [] {
  std::array<std::int64_t, kPlainDigitsMax + 1> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// A number's text, taken apart.
struct Parts {
  bool is_negative = false;
  std::string_view whole;
  std::string_view fraction;
  int exponent = 0;
};

std::string_view take_digits(std::string_view& rest) {
  std::size_t count = 0;
  while (count < rest.size() && is_digit(rest[count])) ++count;
  const auto digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

std::optional<Parts> take_apart(std::string_view rest) {
  Parts parts;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    parts.is_negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  parts.whole = take_digits(rest);
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    parts.fraction = take_digits(rest);
    if (parts.fraction.empty()) return std::nullopt;
  }
  if (parts.whole.empty()) return std::nullopt;
  if (!rest.empty() && (rest[0] == 'e' || rest[0] == 'E')) {
    rest.remove_prefix(1);
    if (!rest.empty() && rest[0] == '+') rest.remove_prefix(1);
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), parts.exponent);
    if (read.ec == std::errc::result_out_of_range) {
      parts.exponent = rest[0] == '-' ? -kExponentMax - 1 : kExponentMax + 1;
    } else if (read.ec != std::errc{}) {
      return std::nullopt;
    }
    rest.remove_prefix(static_cast<std::size_t>(read.ptr - rest.data()));
  }
  if (!rest.empty()) return std::nullopt;
  return parts;
}

Int128 power_of_ten(int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// Most numbers: up to 18 digits, no exponent, no more digits after the point than the scale.
bool parse_plain_decimal(std::string_view text, std::uint8_t precision, std::uint8_t scale,
                         std::int64_t& units) {
  std::size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  const bool is_negative = at == 1;
  const std::size_t first = at;
  std::int64_t value = 0;
  if (text.size() > kPlainDigitsMax) return false;
  for (; at < text.size() && is_digit(text[at]); ++at) value = value * 10 + (text[at] - '0');
  if (at == first) return false;
  std::size_t missing = scale;
  if (at < text.size()) {
    if (text[at++] != '.' || at == text.size() || text.size() - at > scale) return false;
    missing = scale - (text.size() - at);
    for (; at < text.size(); ++at) {
      if (!is_digit(text[at])) return false;
      value = value * 10 + (text[at] - '0');
    }
  }
  if (text.size() + missing > kPlainDigitsMax) return false;
  value *= kPowersOfTen[missing];
  if (precision < kPlainDigitsMax && value >= kPowersOfTen[precision]) return false;
  units = is_negative ? -value : value;
  return true;
}

// `2026-11-20T12:00:00` at the front of `text`, as microseconds.
bool take_date_and_time(std::string_view& text, std::int64_t& micros) {
  if (text.size() < 19) return false;
  unsigned wrong = 0;
  const auto digit = [&](std::size_t at) {
    const auto value = static_cast<unsigned>(static_cast<unsigned char>(text[at])) - '0';
    wrong |= static_cast<unsigned>(value > 9);
    return value;
  };
  const auto two = [&](std::size_t at) { return digit(at) * 10 + digit(at + 1); };
  const date::year_month_day day{date::year(static_cast<int>(two(0) * 100 + two(2))),
                                 date::month(two(5)), date::day(two(8))};
  const unsigned hour = two(11), minute = two(14), second = two(17);
  const bool has_marks =
      text[4] == '-' && text[7] == '-' && text[10] == 'T' && text[13] == ':' && text[16] == ':';
  if (wrong != 0 || !has_marks || hour > 23 || minute > 59 || second > 59 || !day.ok())
    return false;
  micros = date::sys_days(day).time_since_epoch().count() * kMicrosPerDay +
           std::int64_t{hour * 3600 + minute * 60 + second} * 1'000'000;
  text.remove_prefix(19);
  return true;
}

// Most moments: with a `T`, a fraction of at most six digits, and `Z` or, if forbidden, no zone.
bool parse_plain_moment(std::string_view text, Zone zone, std::int64_t& micros) {
  if (zone == Zone::Required) {
    if (!text.ends_with('Z')) return false;
    text.remove_suffix(1);
  }
  if (!take_date_and_time(text, micros)) return false;
  if (text.empty()) return true;
  if (text[0] != '.' || text.size() == 1 || text.size() > 7) return false;
  std::int64_t fraction = 0;
  for (const char c : text.substr(1)) {
    if (!is_digit(c)) return false;
    fraction = fraction * 10 + (c - '0');
  }
  micros += fraction * kPowersOfTen[7 - text.size()];
  return true;
}

}  // namespace

std::optional<Int128> parse_decimal(std::string_view text, std::uint8_t precision,
                                    std::uint8_t scale, bool& is_number) {
  std::int64_t plain = 0;
  is_number = parse_plain_decimal(text, precision, scale, plain);
  if (is_number) return plain;
  const auto parts = take_apart(text);
  is_number = parts.has_value();
  if (!parts) return std::nullopt;
  const Int128 limit = power_of_ten(precision);
  // Digits from the left; the one at index i stands for 10^(point - 1 - i) units.
  const int point = static_cast<int>(parts->whole.size()) + scale +
                    std::max(-2 * kExponentMax, std::min(parts->exponent, 2 * kExponentMax));
  const int count = static_cast<int>(parts->whole.size() + parts->fraction.size());
  Int128 units = 0;
  for (int i = 0; i < std::max(point, count); ++i) {
    char c = '0';
    if (i < count) {
      const auto index = static_cast<std::size_t>(i);
      c = index < parts->whole.size() ? parts->whole[index]
                                      : parts->fraction[index - parts->whole.size()];
    }
    if (i >= point) {
      if (c != '0') return std::nullopt;  // finer than the scale
      continue;
    }
    // Asked before, not after: 39 digits do not fit an Int128.
    if (units > (limit - 1 - (c - '0')) / 10) return std::nullopt;
    units = units * 10 + (c - '0');
    if (units == 0 && i >= count) break;
  }
  return parts->is_negative ? -units : units;
}

bool is_decimal_number(std::string_view text) {
  return take_apart(text).has_value();
}

std::size_t json_number_size(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - from;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const std::size_t first = at;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return 0;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return 0;
  }
  return at;
}

std::optional<std::int32_t> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  int numbers[3] = {0, 0, 0};
  const std::size_t starts[3] = {0, 5, 8}, lengths[3] = {4, 2, 2};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = starts[i]; k < starts[i] + lengths[i]; ++k) {
      if (!is_digit(text[k])) return std::nullopt;
      numbers[i] = numbers[i] * 10 + (text[k] - '0');
    }
  }
  const date::year_month_day day{date::year(numbers[0]),
                                 date::month(static_cast<unsigned>(numbers[1])),
                                 date::day(static_cast<unsigned>(numbers[2]))};
  if (!day.ok()) return std::nullopt;
  return static_cast<std::int32_t>(date::sys_days(day).time_since_epoch().count());
}

std::optional<std::int64_t> parse_moment(std::string_view text, Zone zone) {
  std::int64_t micros = 0;
  if (parse_plain_moment(text, zone, micros)) return micros;
  // Long texts are no moments; they need not be copied to find that out.
  if (text.size() > 64) return std::nullopt;
  const auto time =
      zone == Zone::Required ? base::parse_time(text) : base::parse_time(std::string(text) + "Z");
  if (!time) return std::nullopt;
  return time->time_since_epoch().count();
}

}  // namespace millrace::decode
