#include <charconv>
#include <cstring>
#include <utility>

#include "base/text.hpp"
#include "kinesis/codec.hpp"
#include "kinesis/fault.hpp"

// A reader of its own: nearly all of a body is base64 in a few long texts, which are copied whole
// here.
namespace millrace::kinesis {
namespace {

using base::Result;
using Kind = Value::Kind;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads one document; it does not recurse. Source: RFC 8259.
class JsonReader {
 public:
  explicit JsonReader(std::string_view body) : text_(body) {}

  bool read(Value& root) {
    do {
      Value value;
      if (!read_value(value)) return false;
      add(std::move(value), root);
      if (!close_what_ends()) return false;
    } while (!open_.empty());
    skip_blanks();
    return at_ == text_.size();
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }

  // A container is added empty, and is open from then on.
  void add(Value value, Value& root) {
    const bool opens = value.kind == Kind::List || value.kind == Kind::Object;
    Value& added = open_.empty() ? (root = std::move(value))
                                 : open_.back()->items.emplace_back(std::move(value));
    // A container does not grow while one within it is open: the pointers stay good.
    if (opens) open_.push_back(&added);
    is_fresh_ = opens;
  }

  // Closes containers up to one in which another value follows, and reads that one's key.
  bool close_what_ends() {
    while (!open_.empty()) {
      const bool is_object = open_.back()->kind == Kind::Object;
      skip_blanks();
      if (take(is_object ? '}' : ']')) {
        open_.pop_back();
        is_fresh_ = false;
        continue;
      }
      if (!is_fresh_ && !take(',')) return false;
      return !is_object || read_key(open_.back()->keys.emplace_back());
    }
    return true;
  }

  bool read_key(std::string& into) {
    skip_blanks();
    if (!read_text(into)) return false;
    skip_blanks();
    return take(':');
  }

  bool read_value(Value& into) {
    skip_blanks();
    switch (peek()) {
      case '"':
        into.kind = Kind::Text;
        return read_text(into.text);
      case '{':
      case '[':
        into.kind = text_[at_++] == '{' ? Kind::Object : Kind::List;
        return open_.size() < kDepthMax;
      case 't':
      case 'f':
        into.kind = Kind::Boolean;
        into.boolean = peek() == 't';
        return take(into.boolean ? "true" : "false");
      case 'n':
        return take("null");
      default:
        return read_number(into);
    }
  }

  bool take_digits() {
    const auto start = at_;
    while (is_digit(peek())) ++at_;
    return at_ > start;
  }

  bool read_number(Value& into) {
    const auto start = at_;
    take('-');
    if (!take('0') && !take_digits()) return false;
    bool is_integer = true;
    if (take('.')) {
      is_integer = false;
      if (!take_digits()) return false;
    }
    if (take('e') || take('E')) {
      is_integer = false;
      if (!take('+')) take('-');
      if (!take_digits()) return false;
    }
    const char* const first = text_.data() + start;
    const char* const last = text_.data() + at_;
    into.kind = Kind::Integer;
    if (is_integer && std::from_chars(first, last, into.integer).ec == std::errc()) return true;
    into = {.kind = Kind::Real};
    return std::from_chars(first, last, into.real).ec == std::errc();
  }

  bool read_text(std::string& into) {
    if (!take('"')) return false;
    is_ascii_ = true;
    for (;;) {
      const auto end = end_of_plain();
      into.append(text_, at_, end - at_);
      at_ = end;
      if (take('"')) return is_ascii_ || base::is_utf8(into);
      if (!take('\\') || !read_escape(into)) return false;
    }
  }

  // Where a text goes on that cannot be copied as it is; eight bytes are looked at together, as
  // long as none of them is such: `(word - n) & ~word` has the high bit of each byte below n.
  std::size_t end_of_plain() {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    constexpr std::uint64_t kHighBits = 0x80 * kOnes;
    auto end = at_;
    for (std::uint64_t word = 0; text_.size() - end >= sizeof word; end += sizeof word) {
      std::memcpy(&word, text_.data() + end, sizeof word);
      const auto quotes = word ^ '"' * kOnes;
      const auto slashes = word ^ '\\' * kOnes;
      const auto ends = ((word - 0x20 * kOnes) & ~word) | ((quotes - kOnes) & ~quotes) |
                        ((slashes - kOnes) & ~slashes);
      if (((ends | word) & kHighBits) != 0) break;
    }
    while (end < text_.size() && text_[end] != '"' && text_[end] != '\\' &&
           static_cast<unsigned char>(text_[end]) >= 0x20) {
      is_ascii_ = is_ascii_ && static_cast<signed char>(text_[end]) >= 0;
      ++end;
    }
    return end;
  }

  bool read_escape(std::string& into) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (take('u')) return read_unicode(into);
    const auto found = at_ < text_.size() ? kEscapes.find(text_[at_]) : std::string_view::npos;
    if (found == std::string_view::npos) return false;
    ++at_;
    into += kMeanings[found];
    return true;
  }

  bool read_hex(std::uint32_t& into) {
    if (text_.size() - at_ < 4) return false;
    const char* const first = text_.data() + at_;
    at_ += 4;
    const auto read = std::from_chars(first, first + 4, into, 16);
    return read.ec == std::errc() && read.ptr == first + 4;
  }

  // Beyond 0xFFFF a character is two: a high surrogate, then a low one.
  bool read_unicode(std::string& into) {
    std::uint32_t code = 0;
    std::uint32_t low = 0;
    if (!read_hex(code) || (code >= 0xDC00 && code <= 0xDFFF)) return false;
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (!take("\\u") || !read_hex(low) || low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(code, into);
    return true;
  }

  static void append_utf8(std::uint32_t code, std::string& into) {
    const auto put = [&](std::uint32_t byte) { into += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
      put(0xC0 | code >> 6);
    } else {
      if (code < 0x10000) {
        put(0xE0 | code >> 12);
      } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
      }
      put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Value*> open_;
  bool is_ascii_ = true;   ///< the text at hand, so far
  bool is_fresh_ = false;  ///< the innermost open one has nothing in it yet
};

}  // namespace

Result<Value> parse_json(std::string_view body) {
  Value root;
  if (!JsonReader(body).read(root)) return fault(kSerialization, "the body is no JSON document");
  return root;
}

}  // namespace millrace::kinesis
