#include "decode/cell.hpp"

#include <date/date.h>
#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "decode/decoder.hpp"

namespace millrace::decode {
namespace {

using Kind = config::ColumnType::Kind;
using sql::Int128;

constexpr std::size_t kShownBytesMax = 60;
constexpr int kExponentMax = 1000;

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

}  // namespace

std::optional<Int128> parse_decimal(std::string_view text, std::uint8_t precision,
                                    std::uint8_t scale, bool& is_number) {
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
    units = units * 10 + (c - '0');
    if (units >= limit) return std::nullopt;
    if (units == 0 && i >= count) break;
  }
  return parts->is_negative ? -units : units;
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

CellWriter::CellWriter(const config::ColumnType& type)
    : type_(type), type_text_(sql_type(type).text()) {
  if (type.kind == Kind::Decimal) {
    storage_ = duckdb_decimal_internal_type(sql_type(type).handle());
  }
  for (const auto& field : type.fields) children_.emplace_back(field.type);
}

void CellWriter::open(sql::Vector vector) {
  vector_ = vector;
  data_ = type_.kind == Kind::Struct ? nullptr : duckdb_vector_get_data(vector.handle());
  if (type_.kind == Kind::List) children_[0].open(vector.list_child());
  if (type_.kind != Kind::Struct) return;
  for (std::size_t i = 0; i < children_.size(); ++i) children_[i].open(vector.field(i));
}

void CellWriter::put_null(std::size_t row) {
  vector_.set_null(row);
  if (type_.kind == Kind::Struct) {
    for (auto& child : children_) child.put_null(row);
  }
  if (type_.kind == Kind::List) {
    static_cast<duckdb_list_entry*>(data_)[row] = {duckdb_list_vector_get_size(vector_.handle()),
                                                   0};
  }
}

void CellWriter::reset(std::size_t row) {
  if (std::uint64_t* mask = duckdb_vector_get_validity(vector_.handle())) {
    duckdb_validity_set_row_valid(mask, row);
  }
  if (type_.kind != Kind::Struct) return;
  for (auto& child : children_) child.reset(row);
}

std::uint64_t CellWriter::begin_list(std::size_t count) {
  const std::uint64_t start = duckdb_list_vector_get_size(vector_.handle());
  duckdb_list_vector_reserve(vector_.handle(), start + count);
  duckdb_list_vector_set_size(vector_.handle(), start + count);
  children_[0].open(vector_.list_child());
  return start;
}

Misfit CellWriter::misfit(std::string_view reason, std::string_view found) const {
  return {std::string(reason),
          fmt::format("{} is not {} {}", base::printable(found, kShownBytesMax),
                      reason == "out_of_range" ? "within" : "a", type_text_)};
}

Fit CellWriter::put_boolean(std::size_t row, bool value) {
  if (type_.kind == Kind::Varchar) return put_text(row, value ? "true" : "false");
  if (type_.kind != Kind::Boolean) return misfit("wrong_type", value ? "true" : "false");
  static_cast<bool*>(data_)[row] = value;
  return std::nullopt;
}

Fit CellWriter::put_number(std::size_t row, std::string_view text) {
  switch (type_.kind) {
    case Kind::TinyInt:
    case Kind::SmallInt:
    case Kind::Integer:
    case Kind::BigInt:
      return put_integer(row, text);
    case Kind::Decimal:
      return put_decimal(row, text);
    case Kind::Float:
    case Kind::Double:
      return put_floating(row, text);
    case Kind::Varchar:
      vector_.set_text(row, text);
      return std::nullopt;
    case Kind::TimestampTz:
    case Kind::Timestamp:
    case Kind::Date: {
      Misfit wrong = misfit("wrong_type", text);
      wrong.detail +=
          "; a number could count seconds or milliseconds: send it as text, like "
          "\"2026-11-20T12:00:00Z\"";
      return wrong;
    }
    default:
      return misfit("wrong_type", text);
  }
}

Fit CellWriter::put_text(std::size_t row, std::string_view text) {
  switch (type_.kind) {
    case Kind::Varchar:
    case Kind::Json:
      vector_.set_text(row, text);
      return std::nullopt;
    case Kind::Boolean:
      if (text == "true" || text == "false") return put_boolean(row, text == "true");
      return misfit("wrong_type", text);
    case Kind::Date: {
      const auto days = parse_date(text);
      if (!days) return misfit("wrong_type", text);
      static_cast<std::int32_t*>(data_)[row] = *days;
      return std::nullopt;
    }
    case Kind::TimestampTz: {
      const auto time = base::parse_time(text);
      if (!time) return misfit("wrong_type", text);
      static_cast<std::int64_t*>(data_)[row] = time->time_since_epoch().count();
      return std::nullopt;
    }
    case Kind::Timestamp: {
      // Without a zone it is read as if it were UTC, which is what TIMESTAMP holds.
      const auto time = base::parse_time(std::string(text) + "Z");
      if (!time) return misfit("wrong_type", text);
      static_cast<std::int64_t*>(data_)[row] = time->time_since_epoch().count();
      return std::nullopt;
    }
    case Kind::Struct:
    case Kind::List:
      return misfit("wrong_type", text);
    default:
      return put_number(row, text);
  }
}

Fit CellWriter::put_integer(std::size_t row, std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end) {
    bool is_number = false;
    const auto exact = parse_decimal(text, 19, 0, is_number);
    if (!is_number) return misfit("wrong_type", text);
    if (!exact || *exact > std::numeric_limits<std::int64_t>::max() ||
        *exact < std::numeric_limits<std::int64_t>::min()) {
      return misfit("out_of_range", text);
    }
    value = static_cast<std::int64_t>(*exact);
  }
  const auto put = [&]<class T>(T) -> Fit {
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
      return misfit("out_of_range", text);
    }
    static_cast<T*>(data_)[row] = static_cast<T>(value);
    return std::nullopt;
  };
  if (type_.kind == Kind::TinyInt) return put(std::int8_t{});
  if (type_.kind == Kind::SmallInt) return put(std::int16_t{});
  if (type_.kind == Kind::Integer) return put(std::int32_t{});
  return put(std::int64_t{});
}

Fit CellWriter::put_decimal(std::size_t row, std::string_view text) {
  bool is_number = false;
  const auto units = parse_decimal(text, type_.precision, type_.scale, is_number);
  if (!units) return misfit(is_number ? "out_of_range" : "wrong_type", text);
  switch (storage_) {
    case DUCKDB_TYPE_SMALLINT:
      static_cast<std::int16_t*>(data_)[row] = static_cast<std::int16_t>(*units);
      break;
    case DUCKDB_TYPE_INTEGER:
      static_cast<std::int32_t*>(data_)[row] = static_cast<std::int32_t>(*units);
      break;
    case DUCKDB_TYPE_BIGINT:
      static_cast<std::int64_t*>(data_)[row] = static_cast<std::int64_t>(*units);
      break;
    default:
      static_cast<duckdb_hugeint*>(data_)[row] = {static_cast<std::uint64_t>(*units),
                                                  static_cast<std::int64_t>(*units >> 64)};
  }
  return std::nullopt;
}

Fit CellWriter::put_floating(std::size_t row, std::string_view text) {
  if (!take_apart(text)) return misfit("wrong_type", text);
  double value = 0;
  if (text[0] == '+') text.remove_prefix(1);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_beyond_float =
      type_.kind == Kind::Float &&
      (value > std::numeric_limits<float>::max() || value < std::numeric_limits<float>::lowest());
  if (read.ec != std::errc{} || is_beyond_float) return misfit("out_of_range", text);
  if (type_.kind == Kind::Float) {
    static_cast<float*>(data_)[row] = static_cast<float>(value);
  } else {
    static_cast<double*>(data_)[row] = value;
  }
  return std::nullopt;
}

}  // namespace millrace::decode
