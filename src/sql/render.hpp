#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sql/chunk.hpp"

namespace millrace::sql {

// ISO C++ has no 128-bit integers; both our compilers do.
__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

/// True if a Renderer can write values of `type`. Rare kinds (UNION, BIT, VARIANT, …) it cannot:
/// SQL has to cast them to VARCHAR.
bool can_render(const Type& type);

/// Writes values of one type for people (as DuckDB's shell and CSV do) and for JSON.
/// Shape   JSON: numbers up to 2^53 and DECIMAL stay numbers with all digits, BIGINT above too
/// (readers
///         that need it parse big numbers); NaN and infinities are null; TIMESTAMPTZ is RFC 3339 in
///         UTC; BLOB is base64; STRUCT an object, LIST an array, MAP an array of {key, value}.
class Renderer {
 public:
  explicit Renderer(const Type& type);

  /// A NULL is the empty text.
  std::string text(Vector vector, std::size_t row) const;
  void append_json(Vector vector, std::size_t row, std::string& out) const;

 private:
  void append_text(Vector vector, std::size_t row, std::string& out) const;
  void append_children(Vector vector, std::size_t row, bool is_json, std::string& out) const;

  Type type_;
  duckdb_type id_;
  duckdb_type storage_ = DUCKDB_TYPE_INVALID;  // of DECIMAL and ENUM
  std::uint8_t scale_ = 0;                     // of DECIMAL
  std::vector<std::string> names_;             // of STRUCT, or the words of an ENUM
  std::vector<Renderer> children_;
};

/// `text` as a JSON string, in quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string_view text, std::string& out);

/// The digits of a 128-bit number of a given scale: `-12.50`.
std::string decimal_text(Int128 value, std::uint8_t scale);

}  // namespace millrace::sql
