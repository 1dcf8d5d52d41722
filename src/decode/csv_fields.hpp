#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::decode {

/// One field of a CSV row.
struct CsvField {
  std::string_view text;  ///< unquoted; into the row, or into the splitter's memory
  std::string_view raw;   ///< as it stands, with its quotes
  bool is_quoted = false;
};

/// Takes a CSV row apart (RFC 4180: fields in double quotes, a quote doubled within them).
/// Threads: one at a time.
class CsvRow {
 public:
  explicit CsvRow(char delimiter) : delimiter_(delimiter) {}

  /// The byte at which `row` breaks the rules (a quote in the middle of a field, text after a
  /// closing quote, no closing quote), or npos. The fields hold until the next call.
  std::size_t split(std::string_view row);
  const std::vector<CsvField>& fields() const { return fields_; }

 private:
  const char delimiter_;
  std::vector<CsvField> fields_;
  std::string unquoted_;
};

}  // namespace millrace::decode
