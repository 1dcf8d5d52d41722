#include "decode/cell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

#include "base/text.hpp"
#include "decode/decoder.hpp"
#include "decode/parse_value.hpp"

namespace millrace::decode {
namespace {

using Kind = config::ColumnType::Kind;

constexpr std::size_t kShownBytesMax = 60;
// DuckDB keeps so many bytes of a text in the vector itself.
constexpr std::size_t kInlineBytesMax = sizeof(duckdb_string_t{}.value.inlined.inlined);

}  // namespace

CellWriter::CellWriter(const config::ColumnType& type, const std::string_view& record)
    : type_(type), record_(&record), type_text_(sql_type(type).text()) {
  if (type.kind == Kind::Decimal) {
    storage_ = duckdb_decimal_internal_type(sql_type(type).handle());
  }
  for (const auto& field : type.fields) children_.emplace_back(field.type, record);
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
      return put_varchar(row, text);
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
      return put_varchar(row, text);
    case Kind::Boolean:
      if (text == "true" || text == "false") return put_boolean(row, text == "true");
      return misfit("wrong_type", text);
    case Kind::Date: {
      const auto days = parse_date(text);
      if (!days) return misfit("wrong_type", text);
      if (*days < kDayFirst) return misfit("out_of_range", text);
      static_cast<std::int32_t*>(data_)[row] = *days;
      return std::nullopt;
    }
    case Kind::TimestampTz:
      return put_moment(row, parse_moment(text, Zone::Required), text);
    case Kind::Timestamp:
      return put_moment(row, parse_moment(text, Zone::Forbidden), text);
    case Kind::Struct:
    case Kind::List:
      return misfit("wrong_type", text);
    default:
      return put_number(row, text);
  }
}

// As a number, for the text may be of another string.
bool CellWriter::is_in_record(std::string_view text) const {
  const auto first = std::bit_cast<std::uintptr_t>(record_->data());
  const auto at = std::bit_cast<std::uintptr_t>(text.data());
  return at >= first && at - first < record_->size();
}

Fit CellWriter::put_varchar(std::size_t row, std::string_view text) {
  duckdb_string_t value{};
  if (text.size() <= kInlineBytesMax) {
    value.value.inlined.length = static_cast<std::uint32_t>(text.size());
    std::ranges::copy(text, value.value.inlined.inlined);
  } else if (is_in_record(text)) {
    value.value.pointer.length = static_cast<std::uint32_t>(text.size());
    std::memcpy(value.value.pointer.prefix, text.data(), sizeof value.value.pointer.prefix);
    value.value.pointer.ptr = const_cast<char*>(text.data());
  } else {
    vector_.set_text(row, text);
    return std::nullopt;
  }
  static_cast<duckdb_string_t*>(data_)[row] = value;
  return std::nullopt;
}

Fit CellWriter::put_moment(std::size_t row, std::optional<std::int64_t> micros,
                           std::string_view text) {
  if (!micros) return misfit("wrong_type", text);
  if (*micros < kMomentFirst || *micros > kMomentLast) return misfit("out_of_range", text);
  static_cast<std::int64_t*>(data_)[row] = *micros;
  return std::nullopt;
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
  // from_chars would also take `nan` and `inf`.
  if (!is_decimal_number(text)) return misfit("wrong_type", text);
  const char* const first = text.data() + (text[0] == '+' ? 1 : 0);
  const auto put = [&]<class T>(T value) -> Fit {
    const auto read = std::from_chars(first, text.data() + text.size(), value);
    if (read.ec != std::errc{}) return misfit("out_of_range", text);
    static_cast<T*>(data_)[row] = value;
    return std::nullopt;
  };
  return type_.kind == Kind::Float ? put(float{}) : put(double{});
}

}  // namespace millrace::decode
