#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "kinesis/fault.hpp"
#include "kinesis/shapes.hpp"

namespace millrace::kinesis {
namespace {

using base::Error;
using base::Result;
using Kind = Value::Kind;

constexpr std::size_t kProblemsMax = 10;

// AWS names members in messages with a small first letter.
std::string path_of(const std::string& parent, std::string_view name) {
  std::string path = parent.empty() ? "" : parent + ".";
  const std::size_t at = path.size();
  path += name;
  if (path[at] >= 'A' && path[at] <= 'Z') path[at] = static_cast<char>(path[at] - 'A' + 'a');
  return path;
}

std::int64_t characters_of(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string shown(const Value& value) {
  switch (value.kind) {
    case Kind::Text:
      return fmt::format("'{}'", base::printable(value.text));
    case Kind::Integer:
      return fmt::format("'{}'", value.integer);
    case Kind::Bytes:
      return fmt::format("'java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]'", value.text.size());
    default:
      return "";
  }
}

/// One walk over a value; stops at the first value of another type, collects all other problems.
class Checker {
 public:
  explicit Checker(Encoding encoding) : encoding_(encoding) {}

  Result<void> check(const Shape& shape, Value& value, const std::string& path) {
    TRY(convert(shape, value));
    switch (shape.type) {
      case Type::Text:
        check_text(shape, value, path);
        break;
      case Type::Integer:
        check_bounds(shape, value.integer, {"value", value, path});
        break;
      case Type::Blob:
        check_bounds(shape, std::ssize(value.text), {"length", value, path});
        break;
      case Type::Structure:
        return check_members(shape, value, path);
      case Type::List:
        check_bounds(shape, std::ssize(value.items), {"length", value, path});
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          TRY(check(*shape.item, value.items[i], fmt::format("{}.{}.member", path, i + 1)));
        }
        break;
      case Type::TextMap:
        return check_map(shape, value, path);
      case Type::Boolean:
      case Type::Timestamp:
        break;
    }
    return {};
  }

  Result<void> finish() const {
    if (problems_.empty()) return {};
    return fault(kValidation,
                 fmt::format("{} validation error{} detected: {}", problems_.size(),
                             problems_.size() > 1 ? "s" : "", base::join(problems_, "; ")));
  }

 private:
  struct Seen {
    std::string_view what;  // what the bounds are of
    const Value& value;
    const std::string& path;
  };

  void add(const Value& value, const std::string& path, const std::string& constraint) {
    if (problems_.size() >= kProblemsMax) return;
    const std::string text = shown(value);
    problems_.push_back(
        fmt::format("Value{}{} at '{}' failed to satisfy constraint: Member must {}",
                    text.empty() ? "" : " ", text, path, constraint));
  }

  void check_bounds(const Shape& shape, std::int64_t size, const Seen& seen) {
    if (shape.max >= 0 && size > shape.max) {
      add(seen.value, seen.path,
          fmt::format("have {} less than or equal to {}", seen.what, shape.max));
    }
    if (shape.min >= 0 && size < shape.min) {
      add(seen.value, seen.path,
          fmt::format("have {} greater than or equal to {}", seen.what, shape.min));
    }
  }

  void check_text(const Shape& shape, const Value& value, const std::string& path) {
    if (!shape.words.empty() && std::ranges::count(shape.words, value.text) == 0) {
      std::vector<std::string> words(shape.words.begin(), shape.words.end());
      add(value, path, fmt::format("satisfy enum value set: [{}]", base::join(words, ", ")));
    }
    if (shape.pattern && !shape.pattern->matches(value.text)) {
      add(value, path,
          fmt::format("satisfy regular expression pattern: {}", shape.pattern->expression));
    }
    check_bounds(shape, characters_of(value.text), {"length", value, path});
  }

  Result<void> check_members(const Shape& shape, Value& value, const std::string& path) {
    for (const auto& member : shape.members) {
      Value* found = value.find(member.name);
      if (found) {
        TRY(check(*member.shape, *found, path_of(path, member.name)));
      } else if (member.need == Need::Required && problems_.size() < kProblemsMax) {
        problems_.push_back(
            fmt::format("Value null at '{}' failed to satisfy constraint: Member must not be null",
                        path_of(path, member.name)));
      }
    }
    return {};
  }

  Result<void> check_map(const Shape& shape, Value& value, const std::string& path) {
    check_bounds(shape, std::ssize(value.items), {"length", value, path});
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const Value key{.kind = Kind::Text, .text = value.keys[i]};
      check_text(*shape.map_key, key, path + ".key");
      TRY(check(*shape.item, value.items[i], path + "." + value.keys[i]));
    }
    return {};
  }

  // Makes the value what its shape says, if it is that in the encoding.
  Result<void> convert(const Shape& shape, Value& value) const {
    switch (shape.type) {
      case Type::Text:
        return expect(value, Kind::Text, "a String");
      case Type::Boolean:
        return expect(value, Kind::Boolean, "a Boolean");
      case Type::List:
        return expect(value, Kind::List, "a List");
      case Type::Structure:
      case Type::TextMap:
        return expect(value, Kind::Object, "a Structure or Map");
      case Type::Integer:
        if (value.kind == Kind::Real && std::abs(value.real) < 1e15 &&
            value.real == std::floor(value.real)) {
          value.kind = Kind::Integer;
          value.integer = static_cast<std::int64_t>(value.real);
        }
        return expect(value, Kind::Integer, "an Integer");
      case Type::Blob:
        return convert_blob(value);
      case Type::Timestamp:
        return convert_time(value);
    }
    return {};
  }

  Result<void> convert_blob(Value& value) const {
    if (encoding_ == Encoding::Cbor && value.kind != Kind::Bytes) {
      return expect(value, Kind::Bytes, "a Blob");
    }
    if (value.kind == Kind::Bytes) return {};
    TRY(expect(value, Kind::Text, "a Blob"));
    auto bytes = base::decode_base64(value.text);
    if (!bytes) {
      return fault(kSerialization,
                   fmt::format("'{}' can not be converted to a Blob: it is not Base64",
                               base::printable(value.text, 40)));
    }
    value.kind = Kind::Bytes;
    value.text = std::move(*bytes);
    return {};
  }

  Result<void> convert_time(Value& value) const {
    const double unit = encoding_ == Encoding::Json ? 1e6 : 1e3;  // microseconds of one
    double number = value.real;
    if (value.kind == Kind::Integer) {
      number = static_cast<double>(value.integer);
    } else {
      TRY(expect(value, Kind::Real, "a Timestamp"));
    }
    if (!(std::abs(number * unit) < 9e18)) {
      return fault(kSerialization, "a number is too large to be a Timestamp");
    }
    value.kind = Kind::Integer;
    value.integer = std::llround(number * unit);
    return {};
  }

  static Result<void> expect(const Value& value, Kind kind, std::string_view name) {
    if (value.kind == kind) return {};
    if (value.kind == Kind::List) {
      return fault(kSerialization, "Start of list found where not expected");
    }
    if (value.kind == Kind::Object) {
      return fault(kSerialization, "Start of structure or map found where not expected.");
    }
    std::string_view found = "NULL_VALUE";
    if (value.kind == Kind::Boolean) found = value.boolean ? "TRUE_VALUE" : "FALSE_VALUE";
    if (value.kind == Kind::Integer) found = "NUMBER_VALUE";
    if (value.kind == Kind::Real) found = "DECIMAL_VALUE";
    if (value.kind == Kind::Text) found = "STRING_VALUE";
    if (value.kind == Kind::Bytes) found = "BLOB_VALUE";
    return fault(kSerialization, fmt::format("{} can not be converted to {}", found, name));
  }

  const Encoding encoding_;
  std::vector<std::string> problems_;
};

}  // namespace

Result<void> check_shape(const Shape& shape, Encoding encoding, Value& value) {
  Checker checker(encoding);
  TRY(checker.check(shape, value, ""));
  return checker.finish();
}

}  // namespace millrace::kinesis
