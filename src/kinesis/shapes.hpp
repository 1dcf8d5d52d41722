#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "kinesis/codec.hpp"

namespace millrace::kinesis {

enum class Type : std::uint8_t {
  Text,
  Integer,
  Boolean,
  Blob,
  Timestamp,  ///< after the check an Integer: microseconds since 1970 UTC
  Structure,
  List,
  TextMap,  ///< of texts to texts
};

/// What a text must look like.
struct Pattern {
  std::string_view expression;  ///< as messages show it
  bool (*matches)(std::string_view);
};

struct Member;

/// What AWS' model of the service says of a value. Sizes are characters of a text, bytes of a blob,
/// the value of an integer, or items; -1: no limit.
struct Shape {
  Type type = Type::Text;
  std::int64_t min = -1;
  std::int64_t max = -1;
  const Pattern* pattern = nullptr;
  std::span<const std::string_view> words = {};  ///< the only texts allowed
  std::span<const Member> members = {};          ///< of a Structure
  const Shape* item = nullptr;                   ///< of a List, or the values of a TextMap
  const Shape* map_key = nullptr;
};

enum class Need : std::uint8_t { Optional, Required };

struct Member {
  std::string_view name;
  const Shape* shape;
  Need need = Need::Optional;
};

/// The input of an operation; null: no such operation.
const Shape* input_shape(std::string_view operation);

/// Holds `value` against a shape; blobs become Bytes, timestamps microseconds.
/// Errors  SerializationException: another type. ValidationException: all that is out of its
/// limits, in AWS' words.
base::Result<void> check_shape(const Shape& shape, Encoding encoding, Value& value);

}  // namespace millrace::kinesis
