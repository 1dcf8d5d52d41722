#include "kinesis/codec.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/random.hpp"
#include "kinesis/document_writer.hpp"
#include "kinesis/fault.hpp"

namespace millrace::kinesis {
namespace {

using nlohmann::json;
using Kind = Value::Kind;

// As JSON; bytes as `h'…'`.
std::string picture(const Value& value) {
  std::string text;
  switch (value.kind) {
    case Kind::Null:
      return "null";
    case Kind::Boolean:
      return value.boolean ? "true" : "false";
    case Kind::Integer:
      return std::to_string(value.integer);
    case Kind::Real:
      return fmt::format("{}", value.real);
    case Kind::Text:
      return "\"" + value.text + "\"";
    case Kind::Bytes:
      for (const char c : value.text) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
      return "h'" + text + "'";
    case Kind::List:
    case Kind::Object:
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) text += ",";
        if (value.kind == Kind::Object) text += value.keys[i] + ":";
        text += picture(value.items[i]);
      }
      return value.kind == Kind::List ? "[" + text + "]" : "{" + text + "}";
  }
  return "";
}

std::string cbor(std::string_view bytes) {
  const auto value = parse_cbor(bytes);
  return value ? picture(*value) : value.error().place;
}

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

TEST(Codec, ReadsJson) {
  const auto value = parse_json(R"({"a":[1,-2,1.5,true,null,"x\u00e9"],"b":{"c":""}})");
  ASSERT_TRUE(value);
  EXPECT_EQ(picture(*value), "{a:[1,-2,1.5,true,null,\"xé\"],b:{c:\"\"}}");
  EXPECT_EQ(value->find("missing"), nullptr);
  EXPECT_EQ(value->find("b")->find("c")->text, "");
}

json json_of(const Value& value) {
  switch (value.kind) {
    case Value::Kind::Boolean:
      return value.boolean;
    case Value::Kind::Integer:
      return value.integer;
    case Value::Kind::Real:
      return value.real;
    case Value::Kind::Text:
      return value.text;
    case Value::Kind::List: {
      json list = json::array();
      for (const auto& item : value.items) list.push_back(json_of(item));
      return list;
    }
    case Value::Kind::Object: {
      json object = json::object();
      for (std::size_t i = 0; i < value.keys.size(); ++i) {
        object[value.keys[i]] = json_of(value.items[i]);
      }
      return object;
    }
    default:
      return nullptr;
  }
}

// Documents with random damage, judged by another parser.
TEST(Codec, ReadsJsonAsAnotherReaderDoes) {
  const std::vector<std::string> seeds{
      R"({"a":[1,-2,1.5,true,null,"x\u00e9\ud83d\ude00\n"],"b":{"c":""},"d":-0,"e":92233720})",
      R"([[],{},[{}],"",0,-1,false , [ 1 , 2 ],0.25,"a text beyond eight bytes, \\ and \" in it"])",
      "{\"Records\":[{\"Data\":\"QUFBQUFBQUFBQQ==\",\"PartitionKey\":\"k \xc3\xbc "
      "\xe6\xbc\xa2\"}]}",
      R"("\ud800\udc00\u0000")"};
  const std::string alphabet = "{}[]\",:\\u0123456789abcdefnrtD8+-. \n\x01\xc3\xa9\xf0\x9f\x98\x80";
  base::Random random(7);
  std::size_t good = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text = seeds[random.below(seeds.size())];
    for (std::uint64_t damages = random.below(3); damages > 0; --damages) {
      const auto at = random.below(text.size());
      const char other = alphabet[random.below(alphabet.size())];
      const auto way = random.below(3);
      if (way == 0) text[at] = other;
      if (way == 1) text.insert(at, 1, other);
      if (way == 2) text.erase(at, 1);
    }
    const auto read = parse_json(text);
    const auto judged = json::parse(text, nullptr, false);
    ASSERT_EQ(read.has_value(), !judged.is_discarded()) << text;
    if (!read) continue;
    ++good;
    ASSERT_TRUE(json_of(*read) == judged) << text;
  }
  EXPECT_GT(good, 10'000U);
}

TEST(Codec, ReadsWhatAnotherCborWriterWrites) {
  const json document = {
      {"StreamName", "orders"}, {"Numbers", {0, 23, 24, 255, 256, 65536, 4294967296, -1, -300}},
      {"Real", 0.25},           {"Yes", true},
      {"Nothing", nullptr},     {"Data", json::binary({0, 255, 7})}};
  const auto encoded = json::to_cbor(document);
  EXPECT_EQ(cbor({reinterpret_cast<const char*>(encoded.data()), encoded.size()}),
            "{Data:h'00ff07',Nothing:null,Numbers:[0,23,24,255,256,65536,4294967296,-1,-300],"
            "Real:0.25,StreamName:\"orders\",Yes:true}");
}

// RFC 8949, appendix A.
TEST(Codec, ReadsIndefiniteLengthsTagsAndHalfFloats) {
  EXPECT_EQ(cbor(bytes({0xbf, 0x61, 'a', 0x01, 0x61, 'b', 0x9f, 0x02, 0x03, 0xff, 0xff})),
            "{a:1,b:[2,3]}");
  EXPECT_EQ(cbor(bytes({0x5f, 0x42, 0x01, 0x02, 0x43, 0x03, 0x04, 0x05, 0xff})), "h'0102030405'");
  EXPECT_EQ(cbor(bytes({0x7f, 0x65, 's', 't', 'r', 'e', 'a', 0x64, 'm', 'i', 'n', 'g', 0xff})),
            "\"streaming\"");
  EXPECT_EQ(cbor(bytes({0xc1, 0x1a, 0x51, 0x4b, 0x67, 0xb0})), "1363896240");
  EXPECT_EQ(cbor(bytes({0xf9, 0x3e, 0x00})), "1.5");
  EXPECT_EQ(cbor(bytes({0xf9, 0xc4, 0x00})), "-4");
  EXPECT_EQ(cbor(bytes({0xfa, 0x47, 0xc3, 0x50, 0x00})), "100000");
}

TEST(Codec, RefusesWhatIsNoDocument) {
  for (const auto& bad : {bytes({}), bytes({0x18}), bytes({0x62, 'a'}), bytes({0x9f, 0x01}),
                          bytes({0xa1, 0x01, 0x02}), bytes({0x01, 0x01}), bytes({0x1c}),
                          bytes({0xff}), bytes({0x1f}), bytes({0x5f, 0x61, 'a', 0xff}),
                          bytes({0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
                          bytes({0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})}) {
    EXPECT_EQ(cbor(bad), kSerialization)
        << json(bad).dump(-1, ' ', true, json::error_handler_t::replace);
  }
  for (const auto* bad : {"",
                          "{",
                          "{}x",
                          "[1,]",
                          "nul",
                          "\"\xff\"",
                          "01",
                          "1.",
                          ".5",
                          "-",
                          "1e",
                          "1e400",
                          "[1 2]",
                          "{\"a\"}",
                          "{,}",
                          "{1:2}",
                          "[}",
                          "\"\x01\"",
                          "\"\\x\"",
                          "\"\\u12g4\"",
                          "\"\\ud800\"",
                          "\"\\udc00\"",
                          "\"\xed\xa0\x80\"",
                          "\"12345678\x02",
                          "\"12345678\\"}) {
    EXPECT_FALSE(parse_json(bad)) << bad;
  }
}

TEST(Codec, RefusesWhatIsNestedTooDeeplyAndSurvivesIt) {
  const std::size_t many = 1'000'000;
  EXPECT_FALSE(parse_cbor(std::string(many, '\x81')));
  EXPECT_FALSE(parse_cbor(std::string(many, '\xc1')));
  EXPECT_FALSE(parse_json(std::string(many, '[')));
  EXPECT_TRUE(parse_json(std::string(kDepthMax, '[') + std::string(kDepthMax, ']')));
  EXPECT_FALSE(parse_json(std::string(kDepthMax + 1, '[') + std::string(kDepthMax + 1, ']')));
}

std::string written(Encoding encoding) {
  DocumentWriter out(encoding);
  out.begin_object();
  out.text("Text", "a\"\\\n\x01é");
  out.text("Bad", "\xff");
  out.integer("Small", 7);
  out.integer("Large", 5'000'000'000);
  out.integer("Negative", -300);
  out.boolean("Yes", true);
  out.time("Time", *base::parse_time("2026-11-21T12:00:00.5Z"));
  out.time("Before", *base::parse_time("1969-12-31T23:59:59.75Z"));
  out.key("Data");
  out.blob("\x01\xff");
  out.begin_list("List");
  out.begin_object();
  out.end_object();
  out.integer(1);
  out.end_list();
  out.end_object();
  return out.take();
}

TEST(Codec, WritesJson) {
  const auto document = json::parse(written(Encoding::Json));
  EXPECT_EQ(document["Text"], "a\"\\\n\x01é");
  EXPECT_EQ(document["Bad"], "\\xff");
  EXPECT_EQ(document["Large"], 5'000'000'000);
  EXPECT_EQ(document["Negative"], -300);
  EXPECT_EQ(document["Yes"], true);
  EXPECT_EQ(document["Time"], 1795262400.5);
  EXPECT_EQ(document["Before"], -0.25) << written(Encoding::Json);
  EXPECT_EQ(document["Data"], "Af8=");
  EXPECT_EQ(document["List"], json::parse("[{},1]"));
}

TEST(Codec, WritesCborThatAnotherReaderReads) {
  const auto document = json::from_cbor(written(Encoding::Cbor));
  EXPECT_EQ(document["Text"], "a\"\\\n\x01é");
  EXPECT_EQ(document["Small"], 7);
  EXPECT_EQ(document["Large"], 5'000'000'000);
  EXPECT_EQ(document["Negative"], -300);
  EXPECT_EQ(document["Time"], 1795262400500) << "milliseconds, as the Java clients read them";
  EXPECT_EQ(document["Data"].get_binary(), json::binary_t({1, 255}));
  EXPECT_EQ(document["List"], json::parse("[{},1]"));
}

}  // namespace
}  // namespace millrace::kinesis
