#include "http/head_scanner.hpp"

#include <fmt/format.h>

namespace millrace::http {
namespace {

// Beside its target a request line has a method and a version.
constexpr std::size_t kMethodAndVersionBytesMax = 64;

}  // namespace

std::optional<std::size_t> HeadScanner::scan(std::string_view bytes) {
  for (;;) {
    const auto end = bytes.find('\n', line_begin_);
    if (end == std::string_view::npos) {
      check_size(bytes.size());
      return std::nullopt;
    }
    check_size(end + 1);
    if (!refusal_ && (end == line_begin_ || bytes[end - 1] != '\r')) {
      refuse(400, "bad_head", "a line of the head ends without a carriage return");
    }
    if (refusal_) return std::nullopt;
    const auto line = bytes.substr(line_begin_, end - 1 - line_begin_);
    line_begin_ = end + 1;
    if (line.empty() && fields_begin_ > 0) return line_begin_;
    check_line(line);
    if (refusal_) return std::nullopt;
  }
}

void HeadScanner::check_line(std::string_view line) {
  if (fields_begin_ == 0) {
    fields_begin_ = line_begin_;
    return;
  }
  if (line.front() == ' ' || line.front() == '\t') {
    return refuse(400, "bad_head", "a header line begins with a space: folded lines are not taken");
  }
  if (++field_count_ > limits_.headers_max) {
    refuse(431, "too_many_headers",
           fmt::format("the request has more than {} header fields", limits_.headers_max));
  }
}

void HeadScanner::check_size(std::size_t bytes) {
  if (fields_begin_ == 0) {
    if (bytes <= limits_.target_bytes_max + kMethodAndVersionBytesMax) return;
    return refuse(414, "target_too_long",
                  fmt::format("the request line is too long: a target may have {} bytes",
                              limits_.target_bytes_max));
  }
  if (bytes - fields_begin_ <= limits_.header_bytes_max) return;
  refuse(431, "headers_too_large",
         fmt::format("the header fields have more than {} bytes", limits_.header_bytes_max));
}

void HeadScanner::refuse(int status, std::string_view code, std::string_view message) {
  refusal_ = problem(status, code, message);
}

void HeadScanner::reset() {
  line_begin_ = fields_begin_ = field_count_ = 0;
  refusal_.reset();
}

}  // namespace millrace::http
