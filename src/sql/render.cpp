#include "sql/render.hpp"

#include <date/date.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/base64.hpp"
#include "base/clock.hpp"
#include "base/text.hpp"

namespace millrace::sql {
namespace {

using std::chrono::microseconds;

Int128 wide(duckdb_hugeint value) {
  return (static_cast<Int128>(value.upper) << 64) | value.lower;
}

std::string unsigned_text(const duckdb_uhugeint& value) {
  auto rest = (static_cast<UInt128>(value.upper) << 64) | value.lower;
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  return digits;
}

std::string uuid_text(duckdb_hugeint value) {
  // DuckDB flips the top bit, so that signed order is the order of the text.
  const auto upper = static_cast<std::uint64_t>(value.upper) ^ (std::uint64_t{1} << 63);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", upper >> 32, (upper >> 16) & 0xFFFF,
                     upper & 0xFFFF, value.lower >> 48, value.lower & 0xFFFF'FFFF'FFFFULL);
}

std::string time_text(std::int64_t micros) {
  return date::format("%T", microseconds(micros));
}

// Infinity and its negative are the largest number and its negative, in the type's own unit.
template <class Count>
bool is_infinite(Count value) {
  return value == std::numeric_limits<Count>::max() || value == -std::numeric_limits<Count>::max();
}

template <class Count>
std::string infinity_text(Count value) {
  return value > 0 ? "infinity" : "-infinity";
}

std::string date_text(std::int32_t days) {
  if (is_infinite(days)) return infinity_text(days);
  return date::format("%F", date::sys_days(date::days(days)));
}

template <class Duration>
std::string timestamp_text(std::int64_t count) {
  if (is_infinite(count)) return infinity_text(count);
  return date::format("%F %T", std::chrono::sys_time<Duration>(Duration(count)));
}

// `12:30:00+02`, `12:30:00+05:30`
std::string time_tz_text(const duckdb_time_tz& value) {
  const auto parts = duckdb_from_time_tz(value);
  const auto& t = parts.time;
  const int minutes = std::abs(parts.offset) / 60;
  std::string out = fmt::format("{:02}:{:02}:{:02}", t.hour, t.min, t.sec);
  if (t.micros != 0) out += fmt::format(".{:06}", t.micros);
  out += fmt::format("{}{:02}", parts.offset < 0 ? '-' : '+', minutes / 60);
  if (minutes % 60 != 0) out += fmt::format(":{:02}", minutes % 60);
  return out;
}

std::string interval_text(const duckdb_interval& value) {
  return fmt::format("{} months {} days {}", value.months, value.days, time_text(value.micros));
}

bool is_bare_number(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_BOOLEAN:
      return true;
    default:
      return false;
  }
}

Int128 integer(duckdb_type storage, Vector v, std::size_t row) {
  switch (storage) {
    case DUCKDB_TYPE_TINYINT:
      return v.data<std::int8_t>()[row];
    case DUCKDB_TYPE_SMALLINT:
      return v.data<std::int16_t>()[row];
    case DUCKDB_TYPE_INTEGER:
      return v.data<std::int32_t>()[row];
    case DUCKDB_TYPE_BIGINT:
      return v.data<std::int64_t>()[row];
    case DUCKDB_TYPE_UTINYINT:
      return v.data<std::uint8_t>()[row];
    case DUCKDB_TYPE_USMALLINT:
      return v.data<std::uint16_t>()[row];
    case DUCKDB_TYPE_UINTEGER:
      return v.data<std::uint32_t>()[row];
    case DUCKDB_TYPE_UBIGINT:
      return static_cast<Int128>(v.data<std::uint64_t>()[row]);
    default:
      return wide(v.data<duckdb_hugeint>()[row]);
  }
}

bool is_time(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_TZ:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
    case DUCKDB_TYPE_INTERVAL:
      return true;
    default:
      return false;
  }
}

void append_time(duckdb_type id, Vector v, std::size_t row, std::string& out) {
  if (id == DUCKDB_TYPE_DATE) {
    out += date_text(v.data<std::int32_t>()[row]);
    return;
  }
  if (id == DUCKDB_TYPE_INTERVAL) {
    out += interval_text(v.data<duckdb_interval>()[row]);
    return;
  }
  if (id == DUCKDB_TYPE_TIME_TZ) {
    out += time_tz_text(v.data<duckdb_time_tz>()[row]);
    return;
  }
  const auto count = v.data<std::int64_t>()[row];
  switch (id) {
    case DUCKDB_TYPE_TIME:
      out += time_text(count);
      return;
    case DUCKDB_TYPE_TIMESTAMP_S:
      out += timestamp_text<std::chrono::seconds>(count);
      return;
    case DUCKDB_TYPE_TIMESTAMP_MS:
      out += timestamp_text<std::chrono::milliseconds>(count);
      return;
    case DUCKDB_TYPE_TIMESTAMP_NS:
      out += timestamp_text<std::chrono::nanoseconds>(count);
      return;
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      out += is_infinite(count) ? infinity_text(count)
                                : base::format_time(base::Time(microseconds(count)));
      return;
    default:
      out += timestamp_text<microseconds>(count);
      return;
  }
}

bool has_children(duckdb_type id) {
  return id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_STRUCT || id == DUCKDB_TYPE_MAP ||
         id == DUCKDB_TYPE_ARRAY;
}

}  // namespace

bool can_render(const Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
      return can_render(type.element());
    case DUCKDB_TYPE_MAP:
      return can_render(Type(duckdb_map_type_key_type(type.handle()))) &&
             can_render(Type(duckdb_map_type_value_type(type.handle())));
    case DUCKDB_TYPE_STRUCT: {
      const auto fields = type.fields();
      return std::ranges::all_of(fields, [](const auto& f) { return can_render(f.second); });
    }
    case DUCKDB_TYPE_UUID:
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
      return true;
    default:
      return is_bare_number(type.id()) || is_time(type.id());
  }
}

Renderer::Renderer(const Type& type) : type_(type), id_(type.id()) {
  if (id_ == DUCKDB_TYPE_DECIMAL) {
    storage_ = duckdb_decimal_internal_type(type.handle());
    scale_ = type.decimal_scale();
  } else if (id_ == DUCKDB_TYPE_LIST || id_ == DUCKDB_TYPE_ARRAY) {
    children_.emplace_back(type.element());
  } else if (id_ == DUCKDB_TYPE_MAP) {
    children_.emplace_back(
        Type::structure({{"key", Type(duckdb_map_type_key_type(type.handle()))},
                         {"value", Type(duckdb_map_type_value_type(type.handle()))}}));
  } else if (id_ == DUCKDB_TYPE_STRUCT) {
    for (const auto& [name, field] : type.fields()) {
      names_.push_back(name);
      children_.emplace_back(field);
    }
  } else if (id_ == DUCKDB_TYPE_ENUM) {
    storage_ = duckdb_enum_internal_type(type.handle());
    for (idx_t i = 0; i < duckdb_enum_dictionary_size(type.handle()); ++i) {
      char* word = duckdb_enum_dictionary_value(type.handle(), i);
      names_.emplace_back(word);
      duckdb_free(word);
    }
  }
}

std::string Renderer::text(Vector vector, std::size_t row) const {
  std::string out;
  if (!vector.is_null(row)) append_text(vector, row, out);
  return out;
}

void Renderer::append_text(Vector v, std::size_t row, std::string& out) const {
  switch (id_) {
    case DUCKDB_TYPE_BOOLEAN:
      out += v.data<bool>()[row] ? "true" : "false";
      return;
    case DUCKDB_TYPE_DECIMAL:
      out += decimal_text(integer(storage_, v, row), scale_);
      return;
    case DUCKDB_TYPE_ENUM:
      out += names_[static_cast<std::size_t>(integer(storage_, v, row))];
      return;
    case DUCKDB_TYPE_FLOAT:
      out += fmt::format("{}", v.data<float>()[row]);
      return;
    case DUCKDB_TYPE_DOUBLE:
      out += fmt::format("{}", v.data<double>()[row]);
      return;
    case DUCKDB_TYPE_UUID:
      out += uuid_text(v.data<duckdb_hugeint>()[row]);
      return;
    case DUCKDB_TYPE_UHUGEINT:
      out += unsigned_text(v.data<duckdb_uhugeint>()[row]);
      return;
    case DUCKDB_TYPE_VARCHAR:
      out += v.text(row);
      return;
    case DUCKDB_TYPE_BLOB:
      out += base::printable(v.text(row), v.text(row).size());
      return;
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_STRUCT:
      append_children(v, row, false, out);
      return;
    default:
      if (is_bare_number(id_)) {
        out += decimal_text(integer(id_, v, row), 0);
      } else if (is_time(id_)) {
        append_time(id_, v, row, out);
      } else {
        out += "?";  // what `can_render` denies
      }
  }
}

void Renderer::append_json(Vector v, std::size_t row, std::string& out) const {
  if (v.is_null(row)) {
    out += "null";
  } else if (is_bare_number(id_)) {
    append_text(v, row, out);
  } else if (id_ == DUCKDB_TYPE_FLOAT || id_ == DUCKDB_TYPE_DOUBLE) {
    const double value =
        id_ == DUCKDB_TYPE_FLOAT ? double{v.data<float>()[row]} : v.data<double>()[row];
    std::isfinite(value) ? append_text(v, row, out) : void(out += "null");
  } else if (has_children(id_)) {
    append_children(v, row, true, out);
  } else if (id_ == DUCKDB_TYPE_BLOB) {
    append_json_string(base::base64(v.text(row)), out);
  } else if (type_.is_json()) {
    out += v.text(row);
  } else {
    append_json_string(text(v, row), out);
  }
}

void Renderer::append_children(Vector v, std::size_t row, bool is_json, std::string& out) const {
  const auto append = [&](const Renderer& child, Vector values, std::size_t at) {
    if (is_json) {
      child.append_json(values, at, out);
    } else {
      out += values.is_null(at) ? "NULL" : child.text(values, at);
    }
  };
  if (id_ == DUCKDB_TYPE_STRUCT) {
    out += '{';
    for (std::size_t i = 0; i < children_.size(); ++i) {
      if (i > 0) out += is_json ? "," : ", ";
      is_json ? append_json_string(names_[i], out) : void(out += "'" + names_[i] + "'");
      out += is_json ? ":" : ": ";
      append(children_[i], v.field(i), row);
    }
    out += '}';
    return;
  }
  const bool is_array = id_ == DUCKDB_TYPE_ARRAY;
  const std::size_t size = is_array ? duckdb_array_type_array_size(type_.handle()) : 0;
  const auto entry =
      is_array ? duckdb_list_entry{row * size, size} : v.data<duckdb_list_entry>()[row];
  const Vector values =
      is_array ? Vector(duckdb_array_vector_get_child(v.handle())) : v.list_child();
  out += '[';
  for (std::size_t i = 0; i < entry.length; ++i) {
    if (i > 0) out += is_json ? "," : ", ";
    append(children_[0], values, entry.offset + i);
  }
  out += ']';
}

void append_json_string(std::string_view text, std::string& out) {
  const bool is_clean = base::is_utf8(text);
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[i];
    } else if (c < 0x20) {
      c == '\n' ? out += "\\n" : c == '\t' ? out += "\\t" : out += fmt::format("\\u{:04x}", c);
    } else if (c >= 0x80 && !is_clean) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text[i];
    }
  }
  out += '"';
}

std::string decimal_text(Int128 value, std::uint8_t scale) {
  const bool is_negative = value < 0;
  auto rest = is_negative ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  while (digits.size() <= scale) digits += '0';
  std::string out = is_negative ? "-" : "";
  for (std::size_t i = digits.size(); i-- > 0;) {
    out += digits[i];
    if (i == scale && scale > 0) out += '.';
  }
  return out;
}

}  // namespace millrace::sql
