#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::kinesis {

/// What a request's body holds, whether it came as JSON or as CBOR.
struct Value {
  enum class Kind : std::uint8_t { Null, Boolean, Integer, Real, Text, Bytes, List, Object };

  Kind kind = Kind::Null;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text = {};               ///< also of Bytes
  std::vector<Value> items = {};       ///< of a List; of an Object: the values
  std::vector<std::string> keys = {};  ///< of an Object

  /// The value of a key; null if it is absent, or there as null.
  const Value* find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == key) return items[i].kind == Kind::Null ? nullptr : &items[i];
    }
    return nullptr;
  }
  Value* find(std::string_view key) {
    return const_cast<Value*>(static_cast<const Value*>(this)->find(key));
  }
};

}  // namespace millrace::kinesis
