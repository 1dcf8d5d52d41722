#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "serve/test_api.hpp"

namespace millrace::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Json = nlohmann::json;

constexpr const char* kNdjson = "application/x-ndjson";

TEST(Ingest, AnswersWithTheOffsetsOfDurableRecords) {
  TestApi api;
  const auto first = api.post("/v1/streams/clicks/records", "{\"page\":\"a\"}\n", kNdjson);
  EXPECT_EQ(first.status, 200);
  const auto answer = Json::parse(first.body);
  EXPECT_EQ(answer["records"], 1);
  ASSERT_EQ(answer["shards"].size(), 1U);
  const std::int64_t shard = answer["shards"][0]["shard"];
  EXPECT_EQ(answer["shards"][0]["first"], 0);
  EXPECT_EQ(answer["shards"][0]["end"], 1);
  EXPECT_THAT(api.records("clicks", shard), ElementsAre("{\"page\":\"a\"}"));
}

TEST(Ingest, TakesLinesArraysAndSingleObjects) {
  TestApi api;
  const std::string to = "/v1/streams/clicks/records";
  EXPECT_EQ(Json::parse(api.post(to, "{\"a\":1}\n\n{\"a\":2}", kNdjson).body)["records"], 2);
  EXPECT_EQ(Json::parse(api.post(to, "[{\"a\":1}, {\"a\":2}, 3]").body)["records"], 3);
  EXPECT_EQ(Json::parse(api.post(to, "{\n \"a\": 1\n}").body)["records"], 1);
  EXPECT_EQ(Json::parse(api.post(to, "[]").body)["records"], 0);
  EXPECT_EQ(Json::parse(api.post(to, "", kNdjson).body)["records"], 0);
}

TEST(Ingest, SpreadsRecordsByTheirPartitionKey) {
  TestApi api;
  std::string body;
  for (int i = 0; i < 40; ++i) {
    body += R"({"customer_id":"c)" + std::to_string(i % 10) + "\"}\n";
  }
  const auto answer = Json::parse(api.post("/v1/streams/orders/records", body, kNdjson).body);
  EXPECT_EQ(answer["shards"].size(), 2U);
  const auto zero = api.records("orders", 0), one = api.records("orders", 1);
  EXPECT_EQ(zero.size() + one.size(), 40U);
  for (const auto& record : zero) EXPECT_THAT(one, testing::Not(testing::Contains(record)));
}

TEST(Ingest, AHeaderOverridesThePartitionColumn) {
  TestApi api;
  std::string body;
  for (int i = 0; i < 20; ++i) body += R"({"customer_id":"c)" + std::to_string(i) + "\"}\n";
  const auto sink = api.send({.method = "POST",
                              .target = "/v1/streams/orders/records",
                              .headers = {{"Content-Type", kNdjson}, {"X-Partition-Key", "k"}},
                              .body = body});
  const auto answer = Json::parse(sink->wait().body);
  ASSERT_EQ(answer["shards"].size(), 1U);
  const std::int64_t shard = answer["shards"][0]["shard"];
  EXPECT_EQ(shard, api.streams["orders"]->shard_of("k").value());
  const auto batch =
      api.streams["orders"]->read(base::ShardId(shard), base::Offset(0), 1 << 20).value();
  EXPECT_EQ(batch.records.front().partition_key, "k");
}

TEST(Ingest, KeepsABodyWithoutKeysTogetherAndSpreadsBodies) {
  TestApi api;
  std::set<std::int64_t> shards;
  for (int i = 0; i < 4; ++i) {
    const auto answer =
        Json::parse(api.post("/v1/streams/clicks/records", "{}\n{}\n{}\n", kNdjson).body);
    ASSERT_EQ(answer["shards"].size(), 1U);
    shards.insert(answer["shards"][0]["shard"].get<std::int64_t>());
  }
  EXPECT_EQ(shards.size(), 2U);
}

TEST(Ingest, SplitsLargeBodiesOnOtherThreads) {
  TestApi api;
  std::string body;
  while (body.size() < 300'000)
    body += "{\"customer_id\":\"c\",\"x\":\"" + std::string(100, 'x') + "\"}\n";
  const auto answer = api.post("/v1/streams/orders/records", body, kNdjson);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json::parse(answer.body)["records"], std::ranges::count(body, '\n'));
}

TEST(Ingest, AcceptsBadRecordsForTheWorkerToReject) {
  TestApi api;
  const auto answer =
      api.post("/v1/streams/orders/records", "{\"order_id\":\nnonsense\n\xff\xfe\n", kNdjson);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json::parse(answer.body)["records"], 3);
}

TEST(Ingest, GoesByTheContentTypeAndNotByTheFirstByte) {
  TestApi api;
  const std::string to = "/v1/streams/clicks/records";
  EXPECT_EQ(Json::parse(api.post(to, "[1,2]", kNdjson).body)["records"], 1);
  EXPECT_EQ(Json::parse(api.post(to, "[1,\n2", "application/jsonl").body)["records"], 2);
  EXPECT_EQ(Json::parse(api.post(to, "[1,2]").body)["records"], 2);
}

TEST(Ingest, TakesCsvWithItsHeader) {
  TestApi api;
  const auto answer =
      api.post("/v1/streams/payments/records", "amount,payment_id\n1.50,p1\n2,p2\n", "text/csv");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(api.records("payments", 0), ElementsAre("p1,1.50", "p2,2"));
}

TEST(Ingest, SaysAtWhichByteABodyCannotBeSplit) {
  TestApi api;
  const auto cut = api.post("/v1/streams/clicks/records", R"([{"a":1},{"a":)");
  EXPECT_EQ(cut.status, 400);
  const auto error = Json::parse(cut.body)["error"];
  EXPECT_EQ(error["code"], "invalid");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("byte 9"));
  const auto quote = api.post("/v1/streams/payments/records", "payment_id\n\"p1\n", "text/csv");
  EXPECT_EQ(quote.status, 400);
  EXPECT_THAT(quote.body, HasSubstr("byte 11"));
  EXPECT_THAT(api.records("clicks", 0), IsEmpty());
  EXPECT_THAT(api.records("clicks", 1), IsEmpty());
}

TEST(Ingest, KeepsTheLimitsOfABody) {
  TestApi api({.ingest = {.records_max = 3, .record_bytes_max = 50}});
  const auto many = api.post("/v1/streams/clicks/records", "1\n2\n3\n4\n", kNdjson);
  EXPECT_EQ(many.status, 400);
  EXPECT_THAT(many.body, HasSubstr("may hold 3 records"));
  const auto large = api.post("/v1/streams/clicks/records", "1\n" + std::string(51, '2'), kNdjson);
  EXPECT_EQ(large.status, 400);
  EXPECT_THAT(large.body, HasSubstr("at byte 2 has 51 bytes; 50 is the limit"));
}

TEST(Ingest, NamesTheNearestStream) {
  TestApi api;
  const auto answer = api.post("/v1/streams/order/records", "{}");
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("no stream is named 'order'; did you mean 'orders'?"));
  const auto files = api.post("/v1/streams/archive/records", "{}");
  EXPECT_EQ(files.status, 400);
  EXPECT_THAT(files.body, HasSubstr("'archive' reads files"));
}

TEST(Ingest, RefusesAContentTypeThatIsNotTheStreams) {
  TestApi api;
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "", "text/csv"}) {
    const auto answer = api.post("/v1/streams/orders/records", "{}", type);
    EXPECT_EQ(answer.status, 415) << type;
    EXPECT_THAT(answer.body, HasSubstr("application/x-ndjson"));
  }
  EXPECT_EQ(api.post("/v1/streams/payments/records", "{}").status, 415);
  EXPECT_EQ(api.post("/v1/streams/orders/records", "{}", "Application/JSON; charset=utf-8").status,
            200);
}

TEST(Ingest, SaysSlowDownWhenTheLogIsFull) {
  TestApi api({}, 64 << 10);
  http::Response answer;
  const std::string body = "\"" + std::string(20'000, 'x') + "\"";
  for (int i = 0; i < 20 && answer.status == 200; ++i) {
    answer = api.post("/v1/streams/payments/records", "payment_id\n" + body, "text/csv");
  }
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.value("Retry-After"), "1");
  EXPECT_EQ(Json::parse(answer.body)["error"]["code"], "exhausted");
  EXPECT_THAT(
      api.metrics.exposition(),
      HasSubstr(R"(millrace_ingest_refused_total{reason="exhausted",stream="payments"} 1)"));
}

TEST(Ingest, SaysComeAgainWhenTheStreamIsClosed) {
  TestApi api;
  api.streams["clicks"]->close();
  const auto answer = api.post("/v1/streams/clicks/records", "{}");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.value("Retry-After"), "1");
}

TEST(Ingest, CountsWhatIsAcknowledged) {
  TestApi api;
  api.post("/v1/streams/clicks/records", "{}\n{}", kNdjson);
  const auto metrics = api.metrics.exposition();
  EXPECT_THAT(metrics, HasSubstr(R"(millrace_ingest_records_total{stream="clicks"} 2)"));
  EXPECT_THAT(metrics, HasSubstr(R"(millrace_ingest_requests_total{stream="clicks"} 1)"));
}

TEST(Ingest, TakesNothingFromAPageOfAnotherSite) {
  TestApi api;
  const auto send = [&](const http::Headers& headers) {
    return api
        .send({.method = "POST",
               .target = "/v1/streams/clicks/records",
               .headers = headers,
               .body = "{}"})
        ->wait()
        .status;
  };
  const http::Header json{"Content-Type", "application/json"}, host{"Host", "127.0.0.1:8080"};
  EXPECT_EQ(send({json, host, {"Origin", "https://evil.example"}}), 403);
  EXPECT_EQ(send({json, host, {"Origin", "null"}}), 403);
  EXPECT_EQ(send({json, host, {"Sec-Fetch-Site", "cross-site"}}), 403);
  EXPECT_EQ(send({json, host, {"Origin", "http://127.0.0.1:8080"}}), 200);
  EXPECT_EQ(send({json, host, {"Sec-Fetch-Site", "same-origin"}}), 200);
  EXPECT_THAT(api.get("/v1/tables").headers.value("Access-Control-Allow-Origin"), IsEmpty());
}

}  // namespace
}  // namespace millrace::serve
