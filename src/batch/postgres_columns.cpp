#include "batch/postgres_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using postgres::BinaryCopy;

// Of the types that hold whole numbers, each holds all of those before it.
constexpr std::array<std::string_view, 4> kWhole{"int2", "int4", "int8", "numeric"};
// Decimal digits of the widest value.
constexpr std::array<int, 4> kWholeDigits{5, 10, 19, 38};
constexpr int kNumericDigitsMax = 1000;

std::size_t whole_rank(const std::string& type) {
  return static_cast<std::size_t>(std::ranges::find(kWhole, type) - kWhole.begin());
}

bool is_nested(const sql::Type& type) {
  return type.id() == DUCKDB_TYPE_LIST || type.id() == DUCKDB_TYPE_STRUCT ||
         type.id() == DUCKDB_TYPE_MAP || type.id() == DUCKDB_TYPE_ARRAY;
}

bool is_text(const std::string& type) {
  return type == "text" || type == "varchar" || type == "bpchar";
}

bool is_json(const std::string& type) {
  return type == "jsonb" || type == "json" || is_text(type);
}

// Digits before the point, and after it.
std::pair<int, int> digits_of(const PostgresColumn& column) {
  if (column.type == "numeric") return {column.precision - column.scale, column.scale};
  return {kWholeDigits[whole_rank(column.type)], 0};
}

Error cannot_hold(const PostgresColumn& there, const PostgresColumn& wanted) {
  return {Code::Invalid,
          fmt::format("is {} in the warehouse and would be {} now, and one does not hold what the "
                      "other does; give the job's column another name, or drop the table there: it "
                      "is loaded anew",
                      text_of(there), text_of(wanted))};
}

// Both are whole numbers or decimals.
std::optional<PostgresColumn> widened_number(const PostgresColumn& there,
                                             const PostgresColumn& wanted) {
  const auto there_rank = whole_rank(there.type), wanted_rank = whole_rank(wanted.type);
  const bool is_any = there.type == "numeric" && there.precision < 0;
  if (is_any) return std::nullopt;
  if (there.type != "numeric" && wanted.type != "numeric") {
    return wanted_rank > there_rank ? std::optional(wanted) : std::nullopt;
  }
  const auto [there_whole, there_scale] = digits_of(there);
  const auto [wanted_whole, wanted_scale] = digits_of(wanted);
  const int whole = std::max(there_whole, wanted_whole);
  const int scale = std::max(there_scale, wanted_scale);
  if (there.type == "numeric" && whole == there_whole && scale == there_scale) return std::nullopt;
  if (whole + scale > kNumericDigitsMax) return PostgresColumn{"numeric"};
  return PostgresColumn{"numeric", whole + scale, scale};
}

BinaryCopy::Wide number_at(sql::Vector values, std::size_t row, duckdb_type storage) {
  switch (storage) {
    case DUCKDB_TYPE_TINYINT:
      return values.data<std::int8_t>()[row];
    case DUCKDB_TYPE_SMALLINT:
      return values.data<std::int16_t>()[row];
    case DUCKDB_TYPE_INTEGER:
      return values.data<std::int32_t>()[row];
    case DUCKDB_TYPE_BIGINT:
      return values.data<std::int64_t>()[row];
    default: {
      const auto wide = values.data<duckdb_hugeint>()[row];
      return static_cast<BinaryCopy::Wide>(wide.upper) << 64 | wide.lower;
    }
  }
}

}  // namespace

Result<std::map<std::string, PostgresColumn>> columns_of(postgres::Connection& connection,
                                                         const std::string& table_name) {
  // A numeric's modifier is its precision and scale, or -1.
  const auto answer = TRY(connection.query(
      "SELECT a.attname, t.typname, CASE WHEN t.typname = 'numeric' AND a.atttypmod >= 0 THEN "
      "(a.atttypmod - 4) >> 16 ELSE -1 END, CASE WHEN t.typname = 'numeric' AND a.atttypmod >= 0 "
      "THEN (a.atttypmod - 4) & 65535 ELSE -1 END FROM pg_attribute a JOIN pg_type t ON t.oid = "
      "a.atttypid WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped",
      {table_name}));
  std::map<std::string, PostgresColumn> columns;
  for (const auto& row : answer.rows) {
    PostgresColumn column{row[1].value_or("")};
    const auto number = [](const std::string& text) {
      int value = -1;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return value;
    };
    column.precision = number(row[2].value_or(""));
    column.scale = number(row[3].value_or(""));
    columns.emplace(row[0].value_or(""), std::move(column));
  }
  return columns;
}

PostgresColumn column_for(const sql::Type& type) {
  if (type.is_json()) return {"jsonb"};
  switch (type.id()) {
    case DUCKDB_TYPE_BOOLEAN:
      return {"bool"};
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
      return {"int2"};
    case DUCKDB_TYPE_INTEGER:
      return {"int4"};
    case DUCKDB_TYPE_BIGINT:
      return {"int8"};
    case DUCKDB_TYPE_FLOAT:
      return {"float4"};
    case DUCKDB_TYPE_DOUBLE:
      return {"float8"};
    case DUCKDB_TYPE_DECIMAL:
      return {"numeric", type.decimal_precision(), type.decimal_scale()};
    case DUCKDB_TYPE_DATE:
      return {"date"};
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return {"timestamptz"};
    case DUCKDB_TYPE_BLOB:
      return {"bytea"};
    case DUCKDB_TYPE_VARCHAR:
      return {"text"};
    default:
      return {"jsonb"};  // lists, structs, maps
  }
}

std::string text_of(const PostgresColumn& column) {
  if (column.type == "numeric" && column.precision >= 0) {
    return fmt::format("numeric({},{})", column.precision, column.scale);
  }
  return column.type;
}

Result<std::optional<PostgresColumn>> widened(const PostgresColumn& there,
                                              const PostgresColumn& wanted) {
  using Change = std::optional<PostgresColumn>;
  const auto is_number = [](const PostgresColumn& one) {
    return whole_rank(one.type) < kWhole.size();
  };
  if (is_number(there) && is_number(wanted)) return widened_number(there, wanted);
  if (there.type == "float4" && wanted.type == "float8") return Change(wanted);
  const bool holds = there.type == wanted.type ||
                     (there.type == "float8" && wanted.type == "float4") ||
                     (wanted.type == "text" && is_text(there.type)) ||
                     (wanted.type == "jsonb" && is_json(there.type));
  if (holds) return Change();
  return cannot_hold(there, wanted);
}

CellWriter::CellWriter(const sql::Type& source, const PostgresColumn& target)
    : is_rendered_(is_nested(source)), renderer_(source), storage_(source.id()) {
  if (storage_ == DUCKDB_TYPE_DECIMAL) {
    scale_ = source.decimal_scale();
    storage_ = duckdb_decimal_internal_type(source.handle());
  }
  if (target.type == "bool") as_ = As::Bool;
  if (target.type == "numeric") as_ = As::Numeric;
  if (target.type == "float4") as_ = As::Float;
  if (target.type == "float8") as_ = As::Double;
  if (target.type == "date") as_ = As::Date;
  if (target.type == "timestamptz") as_ = As::Time;
  if (target.type == "jsonb") as_ = As::Jsonb;
  if (!target.type.starts_with("int")) return;
  as_ = As::Int;
  target_bytes_ = target.type.back() - '0';
}

void CellWriter::write_number(sql::Vector values, std::size_t row, BinaryCopy& out) const {
  const auto value = number_at(values, row, storage_);
  if (as_ == As::Numeric) return out.numeric(value, scale_);
  if (target_bytes_ == 2) return out.int2(static_cast<std::int16_t>(value));
  if (target_bytes_ == 4) return out.int4(static_cast<std::int32_t>(value));
  out.int8(static_cast<std::int64_t>(value));
}

void CellWriter::write(sql::Vector values, std::size_t row, BinaryCopy& out) const {
  if (values.is_null(row)) return out.null();
  switch (as_) {
    case As::Bool:
      return out.boolean(values.data<bool>()[row]);
    case As::Int:
    case As::Numeric:
      return write_number(values, row, out);
    case As::Float:
      return out.float4(values.data<float>()[row]);
    case As::Double:
      return out.float8(storage_ == DUCKDB_TYPE_FLOAT ? values.data<float>()[row]
                                                      : values.data<double>()[row]);
    case As::Date:
      return out.date(values.data<std::int32_t>()[row]);
    case As::Time:
      return out.timestamp(values.data<std::int64_t>()[row]);
    case As::Jsonb:
    case As::Bytes: {
      std::string rendered;
      if (is_rendered_) renderer_.append_json(values, row, rendered);
      const std::string_view bytes = is_rendered_ ? rendered : values.text(row);
      return as_ == As::Jsonb ? out.jsonb(bytes) : out.bytes(bytes);
    }
  }
}

}  // namespace millrace::batch
