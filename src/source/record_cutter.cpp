#include "source/record_cutter.hpp"

#include <algorithm>

#include "decode/split.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kBlank = " \t\r";

// A record from `begin` to the line break at `end`, or none if it is blank.
bool is_blank(std::string_view line) {
  return line.find_first_not_of(kBlank) == std::string_view::npos;
}

Cut record_cut(std::string_view text, std::size_t begin, std::size_t end) {
  const std::size_t next = std::min(end + 1, text.size());
  if (end > begin && text[end - 1] == '\r') --end;
  return {.kind = Cut::Kind::Record, .begin = begin, .end = end, .next = next};
}

class LineCutter final : public RecordCutter {
 public:
  Result<Cut> next(std::string_view text, std::size_t at, bool is_last) override {
    while (at < text.size()) {
      const std::size_t found = text.find('\n', at);
      if (found == std::string_view::npos && !is_last) break;
      const std::size_t end = std::min(found, text.size());
      if (!is_blank(text.substr(at, end - at))) return record_cut(text, at, end);
      at = std::min(end + 1, text.size());
    }
    return Cut{.kind = is_last ? Cut::Kind::End : Cut::Kind::More, .next = at};
  }
};

class CsvCutter final : public RecordCutter {
 public:
  CsvCutter(char delimiter, std::size_t record_bytes_max)
      : delimiter_(delimiter), record_bytes_max_(record_bytes_max) {}

  Result<Cut> next(std::string_view text, std::size_t at, bool is_last) override {
    while (at < text.size()) {
      const std::size_t end = row_end(text, at, is_last);
      if (end == std::string_view::npos) break;
      if (!is_blank(text.substr(at, end - at))) return record_cut(text, at, end);
      at = std::min(end + 1, text.size());
    }
    return Cut{.kind = is_last ? Cut::Kind::End : Cut::Kind::More, .next = at};
  }

 private:
  // Npos: the text must go on to tell.
  std::size_t row_end(std::string_view text, std::size_t at, bool is_last) const {
    const std::size_t line_end = text.find('\n', at);
    const std::size_t text_end = is_last ? text.size() : std::string_view::npos;
    const std::string_view line = text.substr(at, std::min(line_end, text.size()) - at);
    if (line.find('"') == std::string_view::npos) {
      return line_end == std::string_view::npos ? text_end : line_end;
    }
    const std::size_t end = decode::csv_row_end(text, at, delimiter_);
    if (end < text.size()) return end;
    if (end == text.size()) return text_end;
    // A quote that nobody closes spoils its own line, not the rest of the file.
    const bool is_hopeless = is_last || text.size() - at > record_bytes_max_;
    return is_hopeless && line_end != std::string_view::npos ? line_end : text_end;
  }

  const char delimiter_;
  const std::size_t record_bytes_max_;
};

class ArrayCutter final : public RecordCutter {
 public:
  explicit ArrayCutter(bool is_inside) : is_inside_(is_inside) {}

  Result<Cut> next(std::string_view text, std::size_t at, bool is_last) override {
    // Up to the next element.
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
      if (is_closed_) return Error{Code::Invalid, "there is more after the array"};
      if (c == '[' && !is_inside_) {
        is_inside_ = true;
      } else if (c == ']') {
        is_closed_ = true;
      } else if (c != ',') {
        break;
      }
    }
    if (text.empty() && is_last) return Cut{};  // read to its end before
    if (at == text.size()) return at_end(at, is_last);
    const std::size_t end = element_end(text, at);
    if (end == std::string_view::npos) return at_end(at, is_last);
    if (end == at) return Error{Code::Invalid, "not a JSON array of records"};
    const std::size_t last = text.find_last_not_of(" \t\r\n", end - 1);
    return Cut{.kind = Cut::Kind::Record, .begin = at, .end = last + 1, .next = end};
  }

 private:
  Result<Cut> at_end(std::size_t at, bool is_last) const {
    if (!is_last) return Cut{.kind = Cut::Kind::More, .next = at};
    if (!is_closed_) return Error{Code::Invalid, "the array is not closed"};
    return Cut{.kind = Cut::Kind::End, .next = at};
  }

  // The comma or bracket after the element at `at`: brackets are counted, strings stepped over.
  static std::size_t element_end(std::string_view text, std::size_t at) {
    int depth = 0;
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '"') {
        for (++at; at < text.size() && text[at] != '"'; ++at) {
          if (text[at] == '\\') ++at;
        }
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth-- == 0) return at;
      } else if (c == ',' && depth == 0) {
        return at;
      }
    }
    return std::string_view::npos;
  }

  bool is_inside_;
  bool is_closed_ = false;
};

}  // namespace

std::unique_ptr<RecordCutter> make_line_cutter() {
  return std::make_unique<LineCutter>();
}

std::unique_ptr<RecordCutter> make_array_cutter(bool is_inside) {
  return std::make_unique<ArrayCutter>(is_inside);
}

std::unique_ptr<RecordCutter> make_csv_cutter(char delimiter, std::size_t record_bytes_max) {
  return std::make_unique<CsvCutter>(delimiter, record_bytes_max);
}

}  // namespace millrace::source
