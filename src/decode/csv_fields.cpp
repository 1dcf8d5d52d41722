#include "decode/csv_fields.hpp"

namespace millrace::decode {

std::size_t CsvRow::split(std::string_view row) {
  fields_.clear();
  unquoted_.clear();
  unquoted_.reserve(row.size());  // so that views into it stay good
  std::size_t at = 0;
  for (;;) {
    const std::size_t start = at;
    if (at < row.size() && row[at] == '"') {
      const std::size_t from = unquoted_.size();
      for (++at;; ++at) {
        if (at >= row.size()) return start;
        if (row[at] != '"') {
          unquoted_ += row[at];
        } else if (at + 1 < row.size() && row[at + 1] == '"') {
          unquoted_ += row[at++];
        } else {
          break;
        }
      }
      ++at;
      if (at < row.size() && row[at] != delimiter_) return at;
      fields_.push_back(
          {std::string_view(unquoted_).substr(from), row.substr(start, at - start), true});
    } else {
      while (at < row.size() && row[at] != delimiter_) {
        if (row[at] == '"') return at;
        ++at;
      }
      const auto text = row.substr(start, at - start);
      fields_.push_back({text, text, false});
    }
    if (at == row.size()) return std::string_view::npos;
    ++at;
  }
}

}  // namespace millrace::decode
