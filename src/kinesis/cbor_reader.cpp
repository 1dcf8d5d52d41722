#include <bit>
#include <cmath>
#include <optional>
#include <utility>

#include "kinesis/codec.hpp"
#include "kinesis/fault.hpp"

namespace millrace::kinesis {
namespace {

using base::Result;

// RFC 8949, 3.1.
enum Major : std::uint8_t { Unsigned, Negative, Bytes, Text, Array, Map, Tag, Other };
constexpr std::uint8_t kIndefinite = 31;
constexpr std::uint8_t kBreak = 0xff;

/// A data item's first bytes: `argument` is its value, length, or number of items.
struct Head {
  std::uint8_t major = 0;
  std::uint8_t info = 0;
  std::uint64_t argument = 0;
  bool is_indefinite() const { return info == kIndefinite; }
};

// RFC 8949, appendix D.
double half_to_double(std::uint64_t half) {
  const int exponent = static_cast<int>(half >> 10 & 0x1f);
  const double mantissa = static_cast<double>(half & 0x3ff);
  double value = 0;
  if (exponent == 0) {
    value = std::ldexp(mantissa, -24);
  } else if (exponent != 31) {
    value = std::ldexp(mantissa + 1024, exponent - 25);
  } else {
    value = mantissa == 0 ? INFINITY : NAN;
  }
  return (half & 0x8000) != 0 ? -value : value;
}

class CborReader {
 public:
  explicit CborReader(std::string_view rest) : rest_(rest) {}

  /// The next item; false if there is none that is good.
  bool read(Value& into, int depth) {
    std::optional<Head> head = read_head();
    while (head && head->major == Tag) head = read_head();  // no recursion: tags cost a byte each
    if (!head) return false;
    if (head->is_indefinite() && (head->major < Bytes || head->major == Other)) return false;
    switch (head->major) {
      case Unsigned:
      case Negative:
        return read_integer(*head, into);
      case Bytes:
      case Text:
        into.kind = head->major == Bytes ? Value::Kind::Bytes : Value::Kind::Text;
        return read_string(*head, into.text);
      case Array:
      case Map:
        return depth < kDepthMax && read_container(*head, into, depth);
      default:
        return read_other(*head, into);
    }
  }
  bool is_at_end() const { return rest_.empty(); }

 private:
  std::optional<Head> read_head() {
    if (rest_.empty()) return std::nullopt;
    const auto first = static_cast<std::uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    Head head{.major = static_cast<std::uint8_t>(first >> 5),
              .info = static_cast<std::uint8_t>(first & 31)};
    if (head.info < 24) {
      head.argument = head.info;
      return head;
    }
    if (head.info == kIndefinite) return head;
    if (head.info > 27) return std::nullopt;
    const std::size_t bytes = std::size_t{1} << (head.info - 24);
    if (rest_.size() < bytes) return std::nullopt;
    for (std::size_t i = 0; i < bytes; ++i) {
      head.argument = head.argument << 8 | static_cast<std::uint8_t>(rest_[i]);
    }
    rest_.remove_prefix(bytes);
    return head;
  }

  static bool read_integer(const Head& head, Value& into) {
    if (!std::in_range<std::int64_t>(head.argument)) return false;
    const auto value = static_cast<std::int64_t>(head.argument);
    into.kind = Value::Kind::Integer;
    into.integer = head.major == Unsigned ? value : -1 - value;
    return true;
  }

  bool read_string(const Head& head, std::string& into) {
    if (!head.is_indefinite()) {
      if (head.argument > rest_.size()) return false;
      into.append(rest_.substr(0, head.argument));
      rest_.remove_prefix(head.argument);
      return true;
    }
    for (;;) {
      const auto part = read_head();
      if (!part) return false;
      if (part->major == Other && part->is_indefinite()) return true;  // the break
      if (part->major != head.major || part->is_indefinite()) return false;
      if (!read_string(*part, into)) return false;
    }
  }

  bool takes_break() {
    if (rest_.empty() || static_cast<std::uint8_t>(rest_[0]) != kBreak) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool read_container(const Head& head, Value& into, int depth) {
    into.kind = head.major == Array ? Value::Kind::List : Value::Kind::Object;
    for (std::uint64_t i = 0; head.is_indefinite() || i < head.argument; ++i) {
      if (head.is_indefinite() && takes_break()) return true;
      if (head.major == Map) {
        Value key;
        if (!read(key, depth + 1) || key.kind != Value::Kind::Text) return false;
        into.keys.push_back(std::move(key.text));
      }
      if (!read(into.items.emplace_back(), depth + 1)) return false;
    }
    return true;
  }

  static bool read_other(const Head& head, Value& into) {
    switch (head.info) {
      case 20:
      case 21:
        into.kind = Value::Kind::Boolean;
        into.boolean = head.info == 21;
        return true;
      case 22:  // null
      case 23:  // undefined
        return true;
      case 25:
        into.real = half_to_double(head.argument);
        break;
      case 26:
        into.real = std::bit_cast<float>(static_cast<std::uint32_t>(head.argument));
        break;
      case 27:
        into.real = std::bit_cast<double>(head.argument);
        break;
      default:
        return false;
    }
    into.kind = Value::Kind::Real;
    return true;
  }

  std::string_view rest_;
};

}  // namespace

Result<Value> parse_cbor(std::string_view body) {
  CborReader reader(body);
  Value value;
  if (!reader.read(value, 0) || !reader.is_at_end()) {
    return fault(kSerialization, "the body is no CBOR document");
  }
  return value;
}

}  // namespace millrace::kinesis
