#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "decode/decoder.hpp"
#include "decode/unpacker.hpp"
#include "sql/render.hpp"

namespace millrace::decode {
namespace {

using base::Code;
using base::Error;
using base::Result;
using testing::HasSubstr;
using Kind = WriterSchema::Kind;

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// Written by fastavro 1.13.1.
constexpr const char* kAvroSchema = R"({"type": "record", "name": "Order", "namespace": "shop",
 "fields": [{"name": "order_id", "type": "string"},
  {"name": "amount", "type":
   {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
  {"name": "day", "type": {"type": "int", "logicalType": "date"}},
  {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
  {"name": "note", "type": ["null", "string"]},
  {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NEW", "OLD"]}},
  {"name": "tags", "type": {"type": "array", "items": "string"}},
  {"name": "counts", "type": {"type": "map", "values": "long"}},
  {"name": "place", "type": {"type": "record", "name": "Place", "fields":
   [{"name": "x", "type": "double"}, {"name": "y", "type": "float"},
    {"name": "inner", "type": ["null", "Place"]}]}},
  {"name": "ok", "type": "boolean"}, {"name": "raw", "type": "bytes"},
  {"name": "small", "type": "int"},
  {"name": "fixed", "type": {"type": "fixed", "name": "Price", "size": 4,
   "logicalType": "decimal", "precision": 9, "scale": 3}},
  {"name": "big", "type": "long"}]})";
constexpr const char* kAvroOrder =
    "126f312022712220c3bc06fe17b3e4c402f699e9f2c46801000204026102620002026b0d00000000000000f83f"
    "cdcccc3d020000000000000040000040c000010400ffffffffff0f00003039ffffffffffffffffff01";

// Written by protoc 3.21.12, as the second message of its file.
constexpr const char* kProto = R"(syntax = "proto3"; package shop;
import "google/protobuf/timestamp.proto"; import "money.proto";
message Other { string unused = 1; }
message Order {
  message Line { string sku = 1; int32 count = 2; }
  enum Kind { UNKNOWN = 0; OLD = 1; }
  string order_id = 1; int64 big = 2; double x = 3; optional int32 maybe = 4; int32 zero = 5;
  Kind kind = 6; repeated Line lines = 7; map<string, int32> counts = 8;
  google.protobuf.Timestamp ts = 9; Money amount = 10; bool ok = 11; bytes raw = 12;
})";
constexpr const char* kMoney =
    R"(syntax = "proto3"; package shop; message Money { string value = 1; })";
constexpr const char* kProtoOrder =
    "0202"
    "0a026f311080808080808080808001199a9999999999b93f30013a050a016110023a00420e0a016b10f9ffffffff"
    "ffffffff014a0b08c084abd80610c0a9d33a52070a0531322e3530620200ff";

std::string unpacked(Result<std::unique_ptr<Unpacker>> unpacker, std::string_view body) {
  if (!unpacker) return "!" + unpacker.error().message;
  std::string json;
  if (const auto misfit = unpacker.value()->unpack(body, json)) {
    return misfit->reason + ": " + misfit->detail;
  }
  return json;
}

std::string avro(const std::string& schema, std::string_view hex) {
  return unpacked(make_avro_unpacker({.text = schema}, 64), bytes_of(hex));
}
std::string protobuf(const std::string& schema, std::string_view hex) {
  return unpacked(
      make_protobuf_unpacker(
          {.kind = Kind::Protobuf, .text = schema, .references = {{"money.proto", kMoney}}}),
      bytes_of(hex));
}

TEST(AvroTest, SaysWhatARecordHolds) {
  EXPECT_EQ(avro(kAvroSchema, kAvroOrder),
            R"({"order_id":"o1 \"q\" ü","amount":-1250.05,"day":"2026-11-29",)"
            R"("ts":"2026-11-29T12:00:00.123000Z","local":"1969-12-31T23:59:59.999999",)"
            R"("note":null,"kind":"OLD","tags":["a","b"],"counts":{"k":-7},)"
            R"("place":{"x":1.5,"y":0.1,"inner":{"x":2,"y":-3,"inner":null}},"ok":true,)"
            R"("raw":"AP8=","small":-2147483648,"fixed":12.345,"big":-9223372036854775808})");
}

TEST(AvroTest, RefusesEveryCutAndWhatFollows) {
  const auto whole = bytes_of(kAvroOrder);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(unpacked(make_avro_unpacker({.text = kAvroSchema}, 64), whole.substr(0, size)),
                HasSubstr("malformed"))
        << size;
  }
  EXPECT_THAT(avro(kAvroSchema, std::string(kAvroOrder) + "00"), HasSubstr("1 bytes follow"));
}

TEST(AvroTest, KnowsValuesThatFitNowhere) {
  EXPECT_EQ(avro(R"("int")", "808080801f"),
            "malformed: not a record of its schema: an int has "
            "more than 32 bits");
  EXPECT_THAT(avro(R"("long")", "ffffffffffffffffff02"), HasSubstr("more than 64 bits"));
  EXPECT_THAT(avro(R"("boolean")", "02"), HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(avro(R"("string")", "01"), HasSubstr("negative"));
  EXPECT_THAT(avro(R"("string")", "02ff"), HasSubstr("invalid_utf8"));
  EXPECT_THAT(avro(R"(["null", "int"])", "04"), HasSubstr("choice 2 of 2"));
  EXPECT_EQ(avro(R"("double")", "000000000000f87f"), R"("nan")");
  EXPECT_THAT(avro(R"({"type": "int", "logicalType": "date"})", "feffffff0f"),
              HasSubstr("out_of_range"));
  EXPECT_THAT(
      avro(R"({"type": "long", "logicalType": "timestamp-micros"})", "feffffffffffffffff01"),
      HasSubstr("out_of_range"));
  EXPECT_EQ(avro(R"({"type": "long", "logicalType": "timestamp-nanos"})", "d10f"),
            R"("1969-12-31T23:59:59.999998Z")");
  EXPECT_EQ(avro(R"({"type": "int", "logicalType": "time-millis"})", "02"), R"("00:00:00.001000")");
  EXPECT_THAT(avro(R"({"type": "int", "logicalType": "time-millis"})", "01"),
              HasSubstr("out_of_range"));
  EXPECT_THAT(avro(R"({"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 0})",
                   "2201" + std::string(32, '0')),
              HasSubstr("38 digits"));
  EXPECT_EQ(avro(R"({"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 0})",
                 "22" + std::string(32, '0') + "05"),
            "5");
  EXPECT_EQ(avro(R"({"type": "fixed", "name": "u", "size": 16, "logicalType": "uuid"})",
                 "00112233445566778899aabbccddeeff"),
            R"("00112233-4455-6677-8899-aabbccddeeff")");
}

TEST(AvroTest, ReadsBlocksWithTheirSizes) {
  EXPECT_EQ(avro(R"({"type": "array", "items": "int"})",
                 "0304020402"
                 "0600"),
            "[1,2,3]");
  EXPECT_EQ(avro(R"({"type": "map", "values": "null"})", "00"), "{}");
}

TEST(AvroTest, RefusesBombs) {
  const std::string list = R"({"type": "array", "items": "null"})";
  EXPECT_THAT(avro(list, "feffffffffffffffff0100"), HasSubstr("too_large"));
  EXPECT_THAT(avro(list, "ffffffffffffffffff01"), HasSubstr("out of range"));
  const std::string deep =
      R"({"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]})";
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += "02";
  EXPECT_THAT(avro(deep, nested + "00"), HasSubstr("too_deep"));
}

TEST(AvroTest, SaysWhatIsWrongWithASchema) {
  EXPECT_EQ(avro("{", ""), "!it is not JSON");
  EXPECT_EQ(avro(R"("Unknown")", ""), "!there is no type 'Unknown' before its use");
  EXPECT_THAT(avro(R"({"type": "record", "name": "R"})", ""), HasSubstr("no list `fields`"));
  EXPECT_THAT(avro(R"({"type": "enum", "symbols": []})", ""), HasSubstr("no name"));
  EXPECT_THAT(avro(R"({"type": "fixed", "name": "f", "size": -1})", ""), HasSubstr("no size"));
  EXPECT_THAT(avro(R"({"items": "int"})", ""), HasSubstr("with `type`"));
}

TEST(AvroTest, FindsNamesInTheirNamespace) {
  const WriterSchema schema{
      .text = R"({"type": "record", "name": "a.R", "fields": [{"name": "x", "type": "P"}]})",
      .references = {{"a.P", R"({"type": "enum", "name": "a.P", "symbols": ["ONE"]})"}}};
  EXPECT_EQ(unpacked(make_avro_unpacker(schema, 64), bytes_of("00")), R"({"x":"ONE"})");
}

TEST(ProtobufTest, SaysWhatAMessageHolds) {
  // What is not sent is the default where proto3 does not tell them apart, else it is left out.
  EXPECT_EQ(
      protobuf(kProto, kProtoOrder),
      R"({"order_id":"o1","big":"-9223372036854775808","x":0.1,"zero":0,"kind":"OLD",)"
      R"("lines":[{"sku":"a","count":2},{"sku":"","count":0}],"counts":{"k":-7},)"
      R"("amount":{"value":"12.50"},"ok":false,"raw":"AP8=","ts":"2026-11-28T12:00:00.123Z"})");
}

TEST(ProtobufTest, RefusesWhatIsNoMessageOfItsFile) {
  EXPECT_THAT(protobuf(kProto, ""), HasSubstr("no list of indexes"));
  EXPECT_THAT(protobuf(kProto, "0204"), HasSubstr("no message 2"));
  EXPECT_THAT(protobuf(kProto, "02020a05"), HasSubstr("malformed"));
  EXPECT_THAT(protobuf(kProto, "02020a01ff"), HasSubstr("invalid_utf8"));
  EXPECT_EQ(protobuf(kProto, "00"), R"({"unused":""})");
  EXPECT_EQ(protobuf(kProto, "040200"), R"({"sku":"","count":0})");
}

TEST(ProtobufTest, RefusesBombs) {
  std::string wide = "syntax = \"proto3\"; message W { repeated W w = 1; ";
  for (int i = 2; i < 1000; ++i)
    wide += "int32 f" + std::to_string(i) + " = " + std::to_string(i) + ";";
  std::string bomb = "00";
  for (int i = 0; i < 10'000; ++i) bomb += "0a00";
  EXPECT_THAT(protobuf(wide + "}", bomb), HasSubstr("too_large"));
}

TEST(ProtobufTest, SaysWhatIsWrongWithASchema) {
  EXPECT_THAT(protobuf("message {", "00"), HasSubstr("!'the record's schema': 1:9"));
  EXPECT_THAT(protobuf("import \"gone.proto\"; message M {}", "00"), HasSubstr("gone.proto"));
  EXPECT_THAT(protobuf("message M { optional Gone x = 1; }", "00"), HasSubstr("Gone"));
}

/// Schemas by id; can be told to be away.
class TestRegistry final : public SchemaRegistry {
 public:
  Result<WriterSchema> schema(std::uint32_t id) override {
    ++asked;
    if (is_away) return Error{Code::Unavailable, "the registry is away"};
    const auto found = schemas.find(id);
    if (found == schemas.end()) return Error{Code::NotFound, "no such schema"};
    return found->second;
  }
  std::map<std::uint32_t, WriterSchema> schemas;
  bool is_away = false;
  int asked = 0;
};

class PackedTest : public testing::Test {
 protected:
  std::string rows(const std::vector<std::string>& records) {
    base::RecordBatch batch;
    for (const auto& record : records) batch.records.push_back({base::Offset(0), {}, "", record});
    if (auto ready = decoder_.prepare(batch); !ready) return "wait: " + ready.error().message;
    const auto decoded = decoder_.decode(batch);
    std::string out;
    for (const auto& chunk : decoded.chunks) {
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        for (std::size_t i = 0; i + 3 < chunk->column_count(); ++i) {
          sql::Renderer(decoder_.columns()[i].type).append_json(chunk->column(i), row, out);
          out += ' ';
        }
      }
    }
    for (const auto& bad : decoded.bad) out += "!" + bad.reason + " ";
    return out;
  }

  std::shared_ptr<TestRegistry> registry_ = std::make_shared<TestRegistry>();
  Decoder decoder_{{.format = config::Format::Avro,
                    .schema = {{"n", {.kind = config::ColumnType::Kind::BigInt}},
                               {"name", {.kind = config::ColumnType::Kind::Varchar}}},
                    .registry = registry_}};
};

TEST_F(PackedTest, ReadsEachRecordByItsOwnSchema) {
  registry_->schemas[1] = {
      .text = R"({"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]})"};
  registry_->schemas[258] = {.text = R"({"type": "record", "name": "R", "fields": [
      {"name": "name", "type": "string"}, {"name": "other", "type": "int"},
      {"name": "n", "type": "long"}]})"};
  const auto old = bytes_of(
      "0000000001"
      "04");
  const auto young = bytes_of(
      "0000000102"
      "0261"
      "02"
      "06");
  EXPECT_EQ(rows({old, young, old}), R"(2 null 3 "a" 2 null )");
  EXPECT_EQ(registry_->asked, 2);
}

TEST_F(PackedTest, RefusesOnlyTheRecordsWhoseSchemaIsUnknownOrOfAnotherKind) {
  registry_->schemas[1] = {
      .text = R"({"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]})"};
  registry_->schemas[2] = {.kind = Kind::Protobuf, .text = kMoney};
  registry_->schemas[3] = {.text = "{"};
  const auto good = bytes_of(
      "0000000001"
      "04");
  EXPECT_EQ(rows({bytes_of("0000000009"
                           "04"),
                  bytes_of("000000000204"), bytes_of("0000000003"), "{\"n\":1}", "", good}),
            "2 null !unknown_schema !wrong_schema !wrong_schema !malformed !malformed ");
  registry_->schemas[9] = registry_->schemas[1];
  EXPECT_EQ(rows({bytes_of("0000000009"
                           "04")}),
            "2 null ")
      << "it was made known since";
}

TEST_F(PackedTest, WaitsForARegistryThatIsAway) {
  registry_->is_away = true;
  registry_->schemas[1] = {
      .text = R"({"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]})"};
  const auto record = bytes_of(
      "0000000001"
      "04");
  EXPECT_EQ(rows({record}), "wait: the registry is away");
  registry_->is_away = false;
  EXPECT_EQ(rows({record}), "2 null ");
  registry_->is_away = true;
  EXPECT_EQ(rows({record}), "2 null ") << "a schema that is known is not asked for again";
}

}  // namespace
}  // namespace millrace::decode
