#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "decode/csv_fields.hpp"

namespace millrace::decode {

/// What a row that does not fit its header carries at its end: a NUL, which no row that is taken
/// may hold, and the header's width. `1,2\0header:3`.
std::string misfit_mark(std::size_t header_width);
/// The header's width, if `tail`, which is a row from its first NUL on, is the mark; none else.
std::optional<std::size_t> marked_width(std::string_view tail);

/// The header line of a CSV body or file, mapped onto a source's schema.
/// Threads: one at a time.
class CsvHeader {
 public:
  /// Errors  Invalid: an unknown column (unless unknown fields are ignored), a column twice, none
  /// of the schema's.
  static base::Result<CsvHeader> read(std::string_view line, const config::Source& source);

  /// The rows stand in the schema's order as they are.
  bool is_schema() const { return is_schema_; }
  /// Appends a row's fields in the schema's order to `into`; a row of another width than the header
  /// as it is, but marked, so that the worker rejects it whatever its width. False, and nothing is
  /// appended, if its quotes are wrong: as it is, the worker rejects it.
  bool arrange(std::string_view line, std::string& into);
  /// How much longer than the row what `arrange` appends can be.
  std::size_t arranged_extra_bytes() const;

 private:
  CsvHeader(char delimiter, std::string null)
      : delimiter_(delimiter), null_(std::move(null)), row_(delimiter) {}

  char delimiter_;
  std::string null_;
  CsvRow row_;
  std::size_t width_ = 0;
  std::vector<std::optional<std::size_t>> field_of_column_;  // by schema column
  bool is_schema_ = false;
};

}  // namespace millrace::decode
