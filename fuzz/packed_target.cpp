#include <array>
#include <nlohmann/json.hpp>

#include "decode/unpacker.hpp"
#include "target.hpp"

namespace millrace::fuzz {
namespace {

using decode::WriterSchema;

constexpr const char* kAvro = R"({"type": "record", "name": "R", "fields": [
 {"name": "s", "type": "string"},
 {"name": "n", "type": ["null", "long", "int", "float", "double", "boolean"]},
 {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
 {"name": "t", "type": {"type": "long", "logicalType": "timestamp-nanos"}},
 {"name": "day", "type": {"type": "int", "logicalType": "date"}},
 {"name": "a", "type": {"type": "array", "items": "string"}},
 {"name": "m", "type": {"type": "map", "values": "R"}},
 {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
 {"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}}]})";
constexpr const char* kProtobuf = R"(syntax = "proto3";
import "google/protobuf/timestamp.proto"; import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
message M {
  string s = 1; int64 n = 2; double d = 3; repeated M all = 4; map<string, M> by = 5; bytes b = 6;
  google.protobuf.Timestamp t = 7; google.protobuf.Any any = 8; oneof o { int32 x = 9; M y = 10; }
  google.protobuf.Value v = 11;
})";

// What an input is, by its first character.
enum What : char { kAvroBody = 'a', kProtobufBody = 'p', kAvroSchema = 'A', kProtobufSchema = 'P' };

void check(decode::Unpacker& unpacker, std::string_view body) {
  std::string json;
  if (unpacker.unpack(body, json)) return;
  if (json.size() > 2 * decode::kUnpackedBytesMax) std::abort();
  // A text may be no UTF-8, which is for the decoder to say.
  const bool is_ascii =
      std::ranges::all_of(json, [](char c) { return static_cast<signed char>(c) >= 0; });
  if (is_ascii && !nlohmann::json::accept(json)) std::abort();
}

}  // namespace

std::vector<std::string> seed_corpus() {
  return {std::string("a\x04hi\x02\x0e\x02\x10\x02\x02\x02\x02x\x00\x00\x02xyz", 19),
          std::string("a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 11),
          std::string("p\x00\x0a\x02hi\x10\x05", 8),
          std::string("p\x00\x22\x04\x0a\x02hi\x3a\x04\x08\x05\x10\x05", 14),
          "A" + std::string(kAvro),
          "P" + std::string(kProtobuf)};
}

std::vector<std::string> dictionary() {
  return {std::string("\x00", 1),
          "\x01",
          "\x02",
          "\xff\xff\xff\xff\x0f",
          "\x22",
          "\x2a",
          "\x42",
          "\x5a",
          "\"type\":",
          "\"int\"",
          "\"R\"",
          "[",
          "{",
          "]",
          "}",
          "message M {",
          "repeated ",
          "oneof o {"};
}

}  // namespace millrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  using namespace millrace::fuzz;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const auto avro = decode::make_avro_unpacker({.text = kAvro}, 64).value();
  static const auto protobuf =
      decode::make_protobuf_unpacker({.kind = WriterSchema::Kind::Protobuf, .text = kProtobuf})
          .value();
  const WriterSchema schema{.text = std::string(body)};
  switch (data[0]) {
    case kAvroBody:
      check(*avro, body);
      break;
    case kProtobufBody:
      check(*protobuf, body);
      break;
    case kAvroSchema:
      if (auto made = decode::make_avro_unpacker(schema, 64)) check(**made, std::string(16, '\2'));
      break;
    case kProtobufSchema:
      if (auto made = decode::make_protobuf_unpacker(schema)) check(**made, std::string(16, '\2'));
      break;
    default:
      break;
  }
  return 0;
}
