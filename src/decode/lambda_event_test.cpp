#include "decode/lambda_event.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace millrace::decode {
namespace {

using testing::HasSubstr;
using Kind = LambdaEvent::Kind;

LambdaEvent read(const std::string& body) {
  LambdaEventReader reader;
  auto event = reader.read(body);
  EXPECT_TRUE(event) << event.error().text();
  return std::move(event).value_or({});
}

std::string error_of(const std::string& body) {
  LambdaEventReader reader;
  const auto event = reader.read(body);
  EXPECT_FALSE(event);
  return event ? "" : event.error().message;
}

std::string kinesis_record(const std::string& number, const std::string& data,
                           const std::string& stream = "orders") {
  return fmt::format(
      R"({{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"k1","sequenceNumber":"{0}",
      "data":"{1}","approximateArrivalTimestamp":1545084650.987}},"eventSource":"aws:kinesis",
      "eventVersion":"1.0","eventID":"shardId-000000000006:{0}","eventName":"aws:kinesis:record",
      "invokeIdentityArn":"arn:aws:iam::123456789012:role/r","awsRegion":"us-east-2",
      "eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/{2}"}})",
      number, data, stream);
}

TEST(LambdaEvent, ReadsRecordsOfKinesis) {
  const auto event = read(fmt::format(
      R"({{"Records":[{},{}]}})",
      kinesis_record("49590338271490256608559692538361571095921575989136588898", "SGVsbG8="),
      kinesis_record("49590338271490256608559692538361571095921575989136588899", "e30=")));
  EXPECT_EQ(event.kind, Kind::Kinesis);
  EXPECT_EQ(name_in_arn(event.from), "orders");
  ASSERT_EQ(event.records.size(), 2U);
  const auto& first = event.records[0];
  EXPECT_EQ(first.id, "49590338271490256608559692538361571095921575989136588898");
  EXPECT_EQ(first.shard, "shardId-000000000006");
  EXPECT_EQ(first.key, "k1");
  EXPECT_EQ(first.data, "Hello");
  EXPECT_EQ(base::format_time(first.arrived_at), "2018-12-17T22:10:50.987000Z");
  EXPECT_EQ(event.records[1].data, "{}");
}

TEST(LambdaEvent, ItsRecordsStayWhenTheNextEventIsRead) {
  LambdaEventReader reader;
  std::string body = fmt::format(R"({{"Records":[{}]}})", kinesis_record("101", "Zmlyc3Q="));
  const auto event = reader.read(body).value();
  body.assign(body.size(), ' ');
  auto other = fmt::format(R"({{"Records":[{}]}})", kinesis_record("202", "c2Vjb25k"));
  other.replace(other.find("k1"), 2, "k2");
  const auto next = reader.read(other).value();
  EXPECT_EQ(event.records[0].data, "first");
  EXPECT_EQ(event.records[0].id, "101");
  EXPECT_EQ(event.records[0].key, "k1");
  EXPECT_EQ(next.records[0].data, "second");
}

TEST(LambdaEvent, ReadsMessagesOfSqs) {
  const auto event = read(R"({"Records":[{"messageId":"m1","receiptHandle":"r","body":"{\"a\":1}",
      "attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183",
      "MessageGroupId":"g"},"messageAttributes":{},"eventSource":"aws:sqs",
      "eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue","awsRegion":"us-east-2"}]})");
  EXPECT_EQ(event.kind, Kind::Sqs);
  EXPECT_EQ(name_in_arn(event.from), "my-queue");
  ASSERT_EQ(event.records.size(), 1U);
  EXPECT_EQ(event.records[0].id, "m1");
  EXPECT_EQ(event.records[0].key, "g");
  EXPECT_EQ(event.records[0].data, R"({"a":1})");
  EXPECT_EQ(base::format_time(event.records[0].arrived_at), "2018-12-17T21:37:29.183000Z");
}

TEST(LambdaEvent, ReadsRecordsOfFirehose) {
  const auto event = read(R"({"invocationId":"i","deliveryStreamArn":
      "arn:aws:firehose:us-east-1:123456789012:deliverystream/d","region":"us-east-1",
      "records":[{"recordId":"49","approximateArrivalTimestamp":1510772160000,"data":"YQ=="},
      {"recordId":"50","approximateArrivalTimestamp":1510772160001,"data":""}]})");
  EXPECT_EQ(event.kind, Kind::Firehose);
  ASSERT_EQ(event.records.size(), 2U);
  EXPECT_EQ(event.records[0].id, "49");
  EXPECT_EQ(event.records[0].data, "a");
  EXPECT_EQ(event.records[1].data, "");
}

TEST(LambdaEvent, TakesTheDetailOfAnEventOfEventBridge) {
  const auto event = read(R"({"version":"0","id":"e1","detail-type":"Order","source":"shop",
      "account":"1","time":"2026-11-20T12:00:00Z","region":"us-east-1","resources":[],
      "detail":{"order_id": "o1", "amount": 1000.01}})");
  EXPECT_EQ(event.kind, Kind::EventBridge);
  EXPECT_EQ(event.from, "shop");
  ASSERT_EQ(event.records.size(), 1U);
  EXPECT_EQ(event.records[0].id, "e1");
  EXPECT_EQ(event.records[0].data, R"({"order_id":"o1","amount":1000.01})");
}

TEST(LambdaEvent, ReadsRequestsOfBothVersions) {
  const auto rest = read(R"({"resource":"/{proxy+}","path":"/v1/streams/orders/records",
      "httpMethod":"POST","headers":{"Content-Type":"application/json"},
      "requestContext":{"requestId":"r"},"body":"{}","isBase64Encoded":false})");
  EXPECT_EQ(rest.kind, Kind::Http);
  EXPECT_TRUE(rest.request.is_rest);
  EXPECT_EQ(rest.request.method + " " + rest.request.path, "POST /v1/streams/orders/records");
  EXPECT_EQ(rest.request.content_type, "application/json");
  const auto http = read(R"({"version":"2.0","routeKey":"$default","rawPath":"/a",
      "headers":{"content-type":"text/csv","content-encoding":"gzip"},
      "requestContext":{"http":{"method":"PUT","path":"/a"}},"body":"SGVsbG8=",
      "isBase64Encoded":true})");
  EXPECT_FALSE(http.request.is_rest);
  EXPECT_EQ(http.request.method + " " + http.request.path, "PUT /a");
  EXPECT_EQ(http.request.content_encoding, "gzip");
  EXPECT_EQ(http.request.body, "Hello");
  EXPECT_EQ(read(R"({"requestContext":{"elb":{}},"httpMethod":"GET","path":"/","body":null})")
                .request.body,
            "");
}

TEST(LambdaEvent, FindsTheNameInAnArn) {
  EXPECT_EQ(name_in_arn("arn:aws:kinesis:us-east-2:1:stream/orders"), "orders");
  EXPECT_EQ(name_in_arn("arn:aws:kinesis:us-east-2:1:stream/orders/consumer/app:1613765124"),
            "orders");
  EXPECT_EQ(name_in_arn("arn:aws:sqs:us-east-2:1:my-queue"), "my-queue");
  EXPECT_EQ(name_in_arn("orders"), "orders");
}

TEST(LambdaEvent, ReadsCommands) {
  EXPECT_EQ(read(R"({"millrace":"maintain"})").command, "maintain");
}

TEST(LambdaEvent, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(error_of("{"), HasSubstr("the event is not JSON"));
  EXPECT_EQ(error_of("[]"), "the event is no JSON object");
  EXPECT_THAT(error_of("{}"), HasSubstr("an event of an unknown kind: this function takes"));
  EXPECT_THAT(error_of(R"({"Records":[]})"), HasSubstr("empty"));
  EXPECT_THAT(error_of(R"({"Records":[{"eventSource":"aws:s3"}]})"),
              HasSubstr("an event of 'aws:s3': this function takes events of Kinesis"));
  EXPECT_THAT(error_of(R"({"Records":[{"EventSource":"aws:sns"}]})"), HasSubstr("'aws:sns'"));
  EXPECT_EQ(error_of(fmt::format(R"({{"Records":[{},{}]}})", kinesis_record("1", "e30="),
                                 kinesis_record("2", "e3-="))),
            "Records[1].kinesis.data: it is no base64");
  EXPECT_THAT(error_of(fmt::format(R"({{"Records":[{},{}]}})", kinesis_record("1", "e30="),
                                   kinesis_record("2", "e30=", "other"))),
              HasSubstr("records of several streams"));
  EXPECT_THAT(error_of(R"({"Records":[{"eventSource":"aws:kinesis","eventSourceARN":"a"}]})"),
              HasSubstr("Records[0].kinesis"));
  for (const std::string wrong :
       {"12x", "", "-5", "784637716923335095479473677900958302012794430558004314112000"}) {
    EXPECT_THAT(error_of(fmt::format(R"({{"Records":[{}]}})", kinesis_record(wrong, "e30="))),
                HasSubstr("Records[0].kinesis.sequenceNumber: a number"))
        << wrong;
  }
  EXPECT_THAT(error_of(R"({"records":[{"recordId":1}]})"),
              HasSubstr("records[0].approximateArrivalTimestamp"));
}

}  // namespace
}  // namespace millrace::decode
