#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace millrace::config {

struct Column;

/// A declared type: what a schema may say, and what tables are made of.
struct ColumnType {
  enum class Kind : std::uint8_t {
    Varchar,
    Boolean,
    TinyInt,
    SmallInt,
    Integer,
    BigInt,
    Float,
    Double,
    Decimal,
    Date,
    TimestampTz,
    Timestamp,
    Struct,
    List,
    Json,
  };

  Kind kind = Kind::Varchar;
  std::uint8_t precision = 0;  ///< Decimal: 1 to 38
  std::uint8_t scale = 0;      ///< Decimal: 0 to precision
  std::vector<Column> fields;  ///< Struct: one at least. List: exactly one, its element

  bool operator==(const ColumnType&) const;
};

struct Column {
  std::string name;
  ColumnType type;

  bool operator==(const Column&) const = default;
};

/// Reads `decimal(12,2)`, `timestamptz`, `struct(a varchar, b bigint)`, `varchar[]`,
/// `list(varchar)`; letter case does not matter. Errors  Invalid: with the nearest type's name.
base::Result<ColumnType> parse_column_type(std::string_view text);

/// As SQL says it: `DECIMAL(12,2)`, `STRUCT("a" VARCHAR, "b" BIGINT)`, `VARCHAR[]`, `JSON`.
std::string sql_of(const ColumnType& type);

}  // namespace millrace::config
