#pragma once

#include <map>
#include <string>
#include <vector>

#include "batch/warehouse.hpp"
#include "postgres/binary_copy.hpp"
#include "postgres/connection.hpp"
#include "sql/render.hpp"

namespace millrace::batch {

/// A column as PostgreSQL has it.
struct PostgresColumn {
  std::string type;    ///< `int4`, `numeric`, `text`
  int precision = -1;  ///< of a numeric, -1: any
  int scale = -1;
};

/// By name. Empty: there is no such table.
base::Result<std::map<std::string, PostgresColumn>> columns_of(postgres::Connection& connection,
                                                               const std::string& table_name);

/// The column that holds values of a lake's column exactly.
PostgresColumn column_for(const sql::Type& type);
/// As SQL says it: `numeric(12,2)`.
std::string text_of(const PostgresColumn& column);

/// What must become of `there` to hold what `wanted` holds.
/// Shape   none: it does already. Else the wider type.
/// Errors  Invalid: no change of the type would keep all values, of both sides.
base::Result<std::optional<PostgresColumn>> widened(const PostgresColumn& there,
                                                    const PostgresColumn& wanted);

/// Writes the values of one column of the lake for one column of PostgreSQL.
class CellWriter {
 public:
  /// `target` holds what `source` has: see `widened`.
  CellWriter(const sql::Type& source, const PostgresColumn& target);
  void write(sql::Vector values, std::size_t row, postgres::BinaryCopy& out) const;

 private:
  enum class As : std::uint8_t { Bool, Int, Numeric, Float, Double, Date, Time, Bytes, Jsonb };
  void write_number(sql::Vector values, std::size_t row, postgres::BinaryCopy& out) const;

  As as_ = As::Bytes;
  bool is_rendered_ = false;  // nested: as JSON, with all digits
  sql::Renderer renderer_;
  duckdb_type storage_;
  int scale_ = 0;
  int target_bytes_ = 8;  // of an integer
};

}  // namespace millrace::batch
