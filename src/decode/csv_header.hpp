#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "decode/csv_fields.hpp"

namespace millrace::decode {

/// The header line of a CSV body or file, mapped onto a source's schema.
/// Threads: one at a time.
class CsvHeader {
 public:
  /// Errors  Invalid: an unknown column (unless unknown fields are ignored), a column twice, none
  /// of the schema's.
  static base::Result<CsvHeader> read(std::string_view line, const config::Source& source);

  /// The rows stand in the schema's order as they are.
  bool is_schema() const { return is_schema_; }
  /// Appends a row's fields in the schema's order to `into`. False, and nothing is appended, if the
  /// row does not fit the header: it is left as it is, and the worker rejects it alone.
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
