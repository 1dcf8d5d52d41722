#include "kinesis/document_writer.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <iterator>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace millrace::kinesis {
namespace {

// RFC 8949, 3.1.
constexpr std::uint8_t kUnsigned = 0;
constexpr std::uint8_t kNegative = 1;
constexpr std::uint8_t kBytes = 2;
constexpr std::uint8_t kText = 3;
constexpr char kArrayOfAnyLength = '\x9f';
constexpr char kMapOfAnyLength = '\xbf';
constexpr char kBreak = '\xff';
constexpr char kFalse = '\xf4';
constexpr char kTrue = '\xf5';

}  // namespace

void DocumentWriter::separate() {
  if (encoding_ == Encoding::Json && needs_comma_) out_ += ',';
  needs_comma_ = true;
}

void DocumentWriter::begin_object() {
  separate();
  out_ += encoding_ == Encoding::Json ? '{' : kMapOfAnyLength;
  needs_comma_ = false;
}

void DocumentWriter::end_object() {
  out_ += encoding_ == Encoding::Json ? '}' : kBreak;
  needs_comma_ = true;
}

void DocumentWriter::begin_list() {
  separate();
  out_ += encoding_ == Encoding::Json ? '[' : kArrayOfAnyLength;
  needs_comma_ = false;
}

void DocumentWriter::end_list() {
  out_ += encoding_ == Encoding::Json ? ']' : kBreak;
  needs_comma_ = true;
}

void DocumentWriter::key(std::string_view name) {
  text(name);
  if (encoding_ == Encoding::Json) out_ += ':';
  needs_comma_ = false;
}

void DocumentWriter::text(std::string_view value) {
  separate();
  const std::string safe = base::is_utf8(value) ? std::string() : base::printable(value, SIZE_MAX);
  if (!safe.empty()) value = safe;
  if (encoding_ == Encoding::Json) return json_string(value);
  head(kText, value.size());
  out_ += value;
}

void DocumentWriter::integer(std::int64_t value) {
  separate();
  if (encoding_ == Encoding::Json) {
    fmt::format_to(std::back_inserter(out_), "{}", value);
  } else if (value >= 0) {
    head(kUnsigned, static_cast<std::uint64_t>(value));
  } else {
    head(kNegative, static_cast<std::uint64_t>(-1 - value));
  }
}

void DocumentWriter::boolean(bool value) {
  separate();
  if (encoding_ == Encoding::Json) {
    out_ += value ? "true" : "false";
  } else {
    out_ += value ? kTrue : kFalse;
  }
}

void DocumentWriter::blob(std::string_view bytes) {
  separate();
  if (encoding_ == Encoding::Json) {
    out_ += '"';
    base::append_base64(bytes, out_);
    out_ += '"';
    return;
  }
  head(kBytes, bytes.size());
  out_ += bytes;
}

void DocumentWriter::time(base::Time time) {
  const auto millis =
      std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  if (encoding_ == Encoding::Cbor) return integer(millis);
  separate();
  const auto distance = std::abs(millis);
  fmt::format_to(std::back_inserter(out_), "{}{}.{:03}", millis < 0 ? "-" : "", distance / 1000,
                 distance % 1000);
}

void DocumentWriter::head(std::uint8_t major, std::uint64_t argument) {
  const auto first = static_cast<std::uint8_t>(major << 5);
  if (argument < 24) {
    out_ += static_cast<char>(first | argument);
    return;
  }
  const int size = argument <= 0xff ? 0 : argument <= 0xffff ? 1 : argument <= 0xffffffff ? 2 : 3;
  out_ += static_cast<char>(first | (24 + size));
  for (int shift = (8 << size) - 8; shift >= 0; shift -= 8) {
    out_ += static_cast<char>(argument >> shift & 255);
  }
}

void DocumentWriter::json_string(std::string_view text) {
  out_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

}  // namespace millrace::kinesis
