#include "config/plain_value.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "config/time_zone.hpp"

namespace millrace::config {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Kind = ColumnType::Kind;

template <class T>
bool is_number(std::string_view text) {
  T number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() && !text.empty() &&
         text.find_first_of("nN") == std::string_view::npos;  // no `nan`, no `inf`
}

// Digits, and at most `scale` of them behind a point, `precision` in all.
bool is_decimal(std::string_view text, const ColumnType& type) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  auto whole = text.substr(0, point);
  const auto fraction = point < text.size() ? text.substr(point + 1) : std::string_view{};
  const auto are_digits = [](std::string_view digits) {
    return digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (whole.empty() || (point < text.size() && fraction.empty())) return false;
  if (!are_digits(whole) || !are_digits(fraction) || fraction.size() > type.scale) return false;
  while (whole.starts_with('0')) whole.remove_prefix(1);
  return whole.size() <= static_cast<std::size_t>(type.precision - type.scale);
}

bool fits(const ColumnType& type, std::string_view text) {
  switch (type.kind) {
    case Kind::TinyInt:
      return is_number<std::int8_t>(text);
    case Kind::SmallInt:
      return is_number<std::int16_t>(text);
    case Kind::Integer:
      return is_number<std::int32_t>(text);
    case Kind::BigInt:
      return is_number<std::int64_t>(text);
    case Kind::Float:
      return is_number<float>(text);
    case Kind::Double:
      return is_number<double>(text);
    case Kind::Decimal:
      return is_decimal(text, type);
    case Kind::Boolean:
      return text == "true" || text == "false";
    case Kind::Date:
      return parse_day(text).has_value();
    case Kind::TimestampTz:
      return base::parse_time(text).has_value();
    case Kind::Timestamp:
      return base::parse_time(std::string(text) + "Z").has_value();
    default:
      return true;
  }
}

}  // namespace

ColumnType type_of_plain_value(std::string_view text) {
  for (const Kind kind :
       {Kind::BigInt, Kind::Double, Kind::Boolean, Kind::Date, Kind::TimestampTz}) {
    if (fits({.kind = kind}, text)) return {.kind = kind};
  }
  return {.kind = Kind::Varchar};
}

Result<void> check_plain_value(const ColumnType& type, std::string_view text) {
  if (type.kind == Kind::Struct || type.kind == Kind::List || type.kind == Kind::Json) {
    return Error{Code::Denied, fmt::format("a parameter is a plain value, not {}", sql_of(type))};
  }
  if (fits(type, text)) return {};
  return Error{Code::Invalid, fmt::format("'{}' is not a {}", base::printable(text), sql_of(type))};
}

}  // namespace millrace::config
