#pragma once

#include <string_view>

#include "base/result.hpp"
#include "kinesis/value.hpp"

namespace millrace::kinesis {

/// How a request came, and how it is answered.
enum class Encoding : std::uint8_t {
  Json,  ///< application/x-amz-json-1.1: bytes as base64, times as seconds
  Cbor,  ///< application/x-amz-cbor-1.1: bytes as they are, times as milliseconds
};

/// How deep a body may be nested; a request needs 4.
inline constexpr int kDepthMax = 32;

/// Errors  SerializationException: it is neither, or nested too deeply.
base::Result<Value> parse_json(std::string_view body);
/// Source: RFC 8949. Tags are passed over; of numbers, only those of 64 bits are taken.
base::Result<Value> parse_cbor(std::string_view body);

inline base::Result<Value> parse(Encoding encoding, std::string_view body) {
  return encoding == Encoding::Json ? parse_json(body) : parse_cbor(body);
}

}  // namespace millrace::kinesis
