#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/column_type.hpp"
#include "sql/chunk.hpp"

namespace millrace::decode {

/// Why a value does not fit its column.
struct Misfit {
  std::string reason;
  std::string detail;
};
/// None: it fits.
using Fit = std::optional<Misfit>;

/// Writes one column of a chunk, row by row. Knows the memory of the vector it writes to.
class CellWriter {
 public:
  /// `record` is the bytes of the record at hand, which live as long as the chunk: texts within
  /// them are not copied.
  CellWriter(const config::ColumnType& type, const std::string_view& record);

  /// Points the writer at a vector with room for a chunk's rows.
  void open(sql::Vector vector);

  void put_null(std::size_t row);
  /// Takes back what a record left in `row` that turned out to be bad.
  void reset(std::size_t row);
  /// A value given as text: a CSV field, or a JSON string.
  Fit put_text(std::size_t row, std::string_view text);
  /// A number's text, as JSON writes it.
  Fit put_number(std::size_t row, std::string_view text);
  Fit put_boolean(std::size_t row, bool value);

  const config::ColumnType& type() const { return type_; }
  sql::Vector vector() const { return vector_; }
  /// Of a STRUCT's fields, or a LIST's element.
  std::vector<CellWriter>& children() { return children_; }
  Misfit misfit(std::string_view reason, std::string_view found) const;

  /// Makes room for `count` further elements of a LIST; returns where they start.
  std::uint64_t begin_list(std::size_t count);

 private:
  Fit put_varchar(std::size_t row, std::string_view text);
  Fit put_moment(std::size_t row, std::optional<std::int64_t> micros, std::string_view text);
  Fit put_integer(std::size_t row, std::string_view text);
  Fit put_decimal(std::size_t row, std::string_view text);
  Fit put_floating(std::size_t row, std::string_view text);

  bool is_in_record(std::string_view text) const;

  config::ColumnType type_;
  const std::string_view* record_;
  std::string type_text_;
  duckdb_type storage_ = DUCKDB_TYPE_INVALID;  // of a DECIMAL
  sql::Vector vector_{nullptr};
  void* data_ = nullptr;
  std::vector<CellWriter> children_;
};

}  // namespace millrace::decode
