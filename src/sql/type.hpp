#pragma once

#include <duckdb.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::sql {

/// One of DuckDB's logical types.
class Type {
 public:
  explicit Type(duckdb_type id = DUCKDB_TYPE_VARCHAR) : handle_(duckdb_create_logical_type(id)) {}
  /// Takes the handle over.
  explicit Type(duckdb_logical_type handle) : handle_(handle) {}
  Type(const Type& other);
  Type(Type&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Type& operator=(Type other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Type() { duckdb_destroy_logical_type(&handle_); }

  static Type decimal(std::uint8_t precision, std::uint8_t scale);
  static Type list(const Type& element);
  static Type structure(const std::vector<std::pair<std::string, Type>>& fields);
  static Type json();

  duckdb_logical_type handle() const { return handle_; }
  duckdb_type id() const { return duckdb_get_type_id(handle_); }
  bool is_json() const;
  std::uint8_t decimal_precision() const { return duckdb_decimal_width(handle_); }
  std::uint8_t decimal_scale() const { return duckdb_decimal_scale(handle_); }
  /// The element of a LIST or ARRAY.
  Type element() const;
  std::vector<std::pair<std::string, Type>> fields() const;

  /// As SQL says it: `DECIMAL(12,2)`, `STRUCT("a" VARCHAR)`, `BIGINT[]`.
  std::string text() const;
  bool operator==(const Type& other) const { return text() == other.text(); }

 private:
  duckdb_logical_type handle_;
};

/// A column of a result, a chunk or a table function.
struct Column {
  std::string name;
  Type type;

  bool operator==(const Column&) const = default;
};

}  // namespace millrace::sql
