#include "decode/plain_json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "decode/parse_value.hpp"

namespace millrace::decode {
namespace {

using Kind = config::ColumnType::Kind;

constexpr std::size_t kExpectedMax = 256;
constexpr std::size_t kKeyBytesMax = 128;
constexpr std::size_t kSureDigitsMax = 18;  // of a number that 64 bits hold
constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighBits = kOnes * 0x80;
static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// The high bit of each byte that ends a plain text: a quote, a backslash, a control character.
// Bytes above the first such one may be marked wrongly (a borrow), so only the lowest counts.
std::uint64_t marks_of(std::uint64_t bytes) {
  const auto zeros = [](std::uint64_t word) { return (word - kOnes) & ~word; };
  return (zeros(bytes ^ (kOnes * '"')) | zeros(bytes ^ (kOnes * '\\')) |
          ((bytes - kOnes * 0x20) & ~bytes)) &
         kHighBits;
}

}  // namespace

struct PlainJsonReader::Cursor {
  const char* at;
  const char* end;
  std::uint64_t bytes_seen = 0;  // or-ed: has it a byte above 0x7F?

  void skip_blanks() {
    while (at < end && is_blank(*at)) ++at;
  }
  bool take(char c) {
    if (at == end || *at != c) return false;
    ++at;
    return true;
  }
  bool take(std::string_view word) {
    if (static_cast<std::size_t>(end - at) < word.size() ||
        std::memcmp(at, word.data(), word.size()) != 0) {
      return false;
    }
    at += word.size();
    return true;
  }
  // A text without escapes, the cursor on its quote.
  bool take_text(std::string_view& text) {
    const char* const first = ++at;
    while (end - at >= 8) {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, at, sizeof bytes);
      bytes_seen |= bytes;
      if (const std::uint64_t marks = marks_of(bytes)) {
        at += std::countr_zero(marks) / 8;
        break;
      }
      at += 8;
    }
    for (; at < end && *at != '"' && *at != '\\'; ++at) {
      const auto byte = static_cast<unsigned char>(*at);
      if (byte < 0x20) return false;
      bytes_seen |= byte;
    }
    text = {first, static_cast<std::size_t>(at - first)};
    return take('"');
  }
};

PlainJsonReader::PlainJsonReader(const DecoderOptions& options)
    : ignores_unknown_(options.unknown_fields == config::UnknownFields::Ignore),
      keeps_unknown_(options.unknown_fields == config::UnknownFields::Keep),
      seen_in_(options.schema.size()) {
  for (const auto& column : options.schema) {
    names_.push_back(column.name);
    const Kind kind = column.type.kind;
    is_nested_.push_back(kind == Kind::Struct || kind == Kind::List || kind == Kind::Json);
  }
}

bool PlainJsonReader::read(std::string_view record, std::size_t row,
                           std::vector<CellWriter>& cells) {
  Cursor cursor{record.data(), record.data() + record.size()};
  ++record_;
  seen_count_ = 0;
  if (!cursor.take('{') || !read_fields(cursor, row, cells)) return false;
  cursor.skip_blanks();
  if (cursor.at != cursor.end) return false;
  if ((cursor.bytes_seen & kHighBits) != 0 &&
      !simdjson::validate_utf8(record.data(), record.size())) {
    return false;
  }
  for (std::size_t i = 0; seen_count_ < names_.size() && i < names_.size(); ++i) {
    if (seen_in_[i] != record_) cells[i].put_null(row);
  }
  if (keeps_unknown_) cells.back().put_null(row);
  return true;
}

bool PlainJsonReader::read_fields(Cursor& cursor, std::size_t row, std::vector<CellWriter>& cells) {
  for (std::size_t place = 0;; ++place) {
    cursor.skip_blanks();
    if (!read_field(cursor, place, row, cells)) return false;
    cursor.skip_blanks();
    if (cursor.take(',')) continue;
    return cursor.take('}');
  }
}

bool PlainJsonReader::read_field(Cursor& cursor, std::size_t place, std::size_t row,
                                 std::vector<CellWriter>& cells) {
  std::size_t column = 0;
  if (!take_key(cursor, place, column)) return false;
  CellWriter* cell = nullptr;
  if (column < names_.size()) {
    if (seen_in_[column] == record_) return false;
    seen_in_[column] = record_;
    ++seen_count_;
    cell = &cells[column];
  }
  cursor.skip_blanks();
  if (cursor.at == cursor.end) return false;
  if (cursor.take("null")) {
    if (cell) cell->put_null(row);
    return true;
  }
  if (cell && is_nested_[column]) return false;
  if (*cursor.at == '"') {
    std::string_view text;
    return cursor.take_text(text) && (!cell || !cell->put_text(row, text));
  }
  if (cursor.take("true")) return !cell || !cell->put_boolean(row, true);
  if (cursor.take("false")) return !cell || !cell->put_boolean(row, false);
  const std::string_view rest(cursor.at, static_cast<std::size_t>(cursor.end - cursor.at));
  const auto number = rest.substr(0, json_number_size(rest));
  cursor.at += number.size();
  if (number.empty()) return false;
  // One that may be too large for simdjson, which looks at fields that nobody asked for.
  const bool may_be_large =
      number.size() > kSureDigitsMax || number.find_first_of("eE") != std::string_view::npos;
  return cell ? !cell->put_number(row, number) : !may_be_large;
}

// Takes a key and its colon. `column` is its place in the schema, or how many columns there are.
bool PlainJsonReader::take_key(Cursor& cursor, std::size_t place, std::size_t& column) {
  if (place < expected_.size() && cursor.take(expected_[place].start)) {
    column = expected_[place].column;
    return true;
  }
  std::string_view key;
  if (cursor.at == cursor.end || *cursor.at != '"' || !cursor.take_text(key)) return false;
  column = static_cast<std::size_t>(std::ranges::find(names_, key) - names_.begin());
  if (column == names_.size() && !ignores_unknown_) return false;
  const bool has_colon_next = cursor.at < cursor.end && *cursor.at == ':';
  if (has_colon_next) learn(key, place, column);
  cursor.skip_blanks();
  return cursor.take(':');
}

// Only ASCII is learnt: what is taken as expected is not looked at again.
void PlainJsonReader::learn(std::string_view key, std::size_t place, std::size_t column) {
  const bool is_ascii = std::ranges::none_of(key, [](char c) { return (c & 0x80) != 0; });
  if (!is_ascii || key.size() > kKeyBytesMax || place >= kExpectedMax) return;
  if (place >= expected_.size()) expected_.resize(place + 1);
  expected_[place].start.assign(1, '"').append(key).append("\":");
  expected_[place].column = column;
}

}  // namespace millrace::decode
