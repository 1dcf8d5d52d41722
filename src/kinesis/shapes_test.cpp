#include "kinesis/shapes.hpp"

#include <gtest/gtest.h>

#include "kinesis/fault.hpp"

namespace millrace::kinesis {
namespace {

// What is wrong with an operation's input, or "ok".
std::string judged(std::string_view operation, std::string_view body) {
  auto value = parse_json(body).value();
  const auto checked = check_shape(*input_shape(operation), Encoding::Json, value);
  return checked ? "ok" : checked.error().place + ": " + checked.error().message;
}

TEST(Shapes, TakeWhatFitsAndPassOverWhatTheyDoNotKnow) {
  EXPECT_EQ(judged("DescribeStream", R"({"StreamName":"a.b-c_D","Limit":1,"Novel":[1]})"), "ok");
  EXPECT_EQ(judged("PutRecord", R"({"StreamName":"a","Data":"","PartitionKey":"é"})"), "ok");
  EXPECT_EQ(judged("GetRecords", R"({"ShardIterator":"x","Limit":null})"), "ok");
  EXPECT_EQ(input_shape("Nothing"), nullptr);
}

TEST(Shapes, SayInAwsWordsWhatDoesNotFit) {
  EXPECT_EQ(
      judged("CreateStream", R"({"StreamName":"a b","ShardCount":0})"),
      "ValidationException: 2 validation errors detected: Value 'a b' at 'streamName' failed to "
      "satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; "
      "Value '0' at 'shardCount' failed to satisfy constraint: Member must have value greater "
      "than or equal to 1");
  EXPECT_EQ(
      judged("GetShardIterator", R"({"ShardIteratorType":"FIRST"})"),
      "ValidationException: 2 validation errors detected: Value null at 'shardId' failed to "
      "satisfy constraint: Member must not be null; Value 'FIRST' at 'shardIteratorType' failed "
      "to satisfy constraint: Member must satisfy enum value set: [AT_SEQUENCE_NUMBER, "
      "AFTER_SEQUENCE_NUMBER, TRIM_HORIZON, LATEST, AT_TIMESTAMP]");
  EXPECT_EQ(
      judged("PutRecords", R"({"StreamName":"a","Records":[{"Data":"AA=="},{"PartitionKey":""}]})"),
      "ValidationException: 2 validation errors detected: Value null at "
      "'records.2.member.data' failed to satisfy constraint: Member must not be null; Value '' "
      "at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length "
      "greater than or equal to 1");
  EXPECT_EQ(
      judged("PutRecords", R"({"StreamName":"a","Records":[]})"),
      "ValidationException: 1 validation error detected: Value at 'records' failed to satisfy "
      "constraint: Member must have length greater than or equal to 1");
}

TEST(Shapes, CountCharactersOfTextsNotBytes) {
  std::string key;
  for (int i = 0; i < 256; ++i) key += "é";
  const auto body = [](const std::string& text) {
    return R"({"StreamName":"a","Data":"","PartitionKey":")" + text + "\"}";
  };
  EXPECT_EQ(judged("PutRecord", body(key)), "ok");
  EXPECT_NE(judged("PutRecord", body(key + "é")).find("less than or equal to 256"),
            std::string::npos);
}

TEST(Shapes, RefuseOtherTypes) {
  EXPECT_EQ(judged("DescribeStream", R"({"StreamName":1})"),
            "SerializationException: NUMBER_VALUE can not be converted to a String");
  EXPECT_EQ(judged("DescribeStream", R"({"StreamName":["a"]})"),
            "SerializationException: Start of list found where not expected");
  EXPECT_EQ(judged("DescribeStream", R"({"Limit":"a"})"),
            "SerializationException: STRING_VALUE can not be converted to an Integer");
  EXPECT_EQ(judged("PutRecord", R"({"Data":"a","PartitionKey":"a"})"),
            "SerializationException: 'a' can not be converted to a Blob: it is not Base64");
  EXPECT_EQ(judged("DescribeStream", "[]"),
            "SerializationException: Start of list found where not expected");
}

TEST(Shapes, HoldTextsAgainstTheirPatterns) {
  const auto hash_key = [](const std::string& key) {
    return judged("SplitShard", R"({"ShardToSplit":"s","NewStartingHashKey":")" + key + "\"}") ==
           "ok";
  };
  EXPECT_TRUE(hash_key("0"));
  EXPECT_TRUE(hash_key("170141183460469231731687303715884105728"));
  for (const auto* bad : {"", "01", "-1", "1x", "1234567890123456789012345678901234567890"}) {
    EXPECT_FALSE(hash_key(bad)) << bad;
  }
  const auto arn = [](const std::string& text) {
    return judged("DescribeStreamSummary", R"({"StreamARN":")" + text + "\"}") == "ok";
  };
  EXPECT_TRUE(arn("arn:aws:kinesis:us-east-1:123456789012:stream/orders"));
  EXPECT_TRUE(arn("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders"));
  for (const auto* bad : {"orders", "arn:aws:kinesis:us-east-1:12345:stream/orders",
                          "arn:aws:kinesis:us-east-1:123456789012:stream/",
                          "arn:aws:s3:us-east-1:123456789012:stream/a", ":stream/a"}) {
    EXPECT_FALSE(arn(bad)) << bad;
  }
}

TEST(Shapes, TakeTimesAsEachEncodingHasThem) {
  const auto time = [](Encoding encoding, Value value) {
    Value input{.kind = Value::Kind::Object, .items = {std::move(value)}, .keys = {"Timestamp"}};
    input.keys.insert(input.keys.end(), {"ShardId", "ShardIteratorType"});
    input.items.push_back({.kind = Value::Kind::Text, .text = "s"});
    input.items.push_back({.kind = Value::Kind::Text, .text = "LATEST"});
    EXPECT_TRUE(check_shape(*input_shape("GetShardIterator"), encoding, input));
    return input.items[0].integer;
  };
  EXPECT_EQ(time(Encoding::Json, {.kind = Value::Kind::Real, .real = 1795262400.25}),
            1795262400250000);
  EXPECT_EQ(time(Encoding::Json, {.kind = Value::Kind::Integer, .integer = 5}), 5000000);
  EXPECT_EQ(time(Encoding::Cbor, {.kind = Value::Kind::Integer, .integer = 1795262400250}),
            1795262400250000);
}

}  // namespace
}  // namespace millrace::kinesis
