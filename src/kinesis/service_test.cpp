#include "kinesis/service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "kinesis/fault.hpp"
#include "kinesis/test_sink.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::kinesis {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    streams_ = log::StreamSet::open({.folder = folder_.path() / "log",
                                     .made = {.retention_time = 24h, .retention_bytes = 256 << 10}},
                                    {disk_, clock_, random_, telemetry()})
                   .value();
    EXPECT_TRUE(streams_->add({.name = "orders", .shards = 2}));
    service_ = std::make_unique<Service>(ServiceParts{.streams = *streams_,
                                                      .tokens = Tokens(std::string(32, 'k')),
                                                      .clock = clock_,
                                                      .random = random_,
                                                      .telemetry = telemetry()});
  }
  ~ServiceTest() override { streams_->close(); }

  base::Telemetry telemetry() { return {lines_, metrics_}; }

  std::shared_ptr<Sink> send(http::Request request) {
    auto sink = std::make_shared<Sink>();
    service_->handle(std::make_shared<http::Exchange>(std::move(request), sink));
    return sink;
  }
  static http::Request request(const std::string& operation, std::string body,
                               const std::string& type = "application/x-amz-json-1.1") {
    return {.method = "POST",
            .headers = {{"Content-Type", type}, {"X-Amz-Target", "Kinesis_20131202." + operation}},
            .body = std::move(body),
            .peer = "127.0.0.1:5000"};
  }
  /// The answer's document; of an error only its name, as `{"error": …}`.
  json ask(const std::string& operation, const json& input) {
    const auto response = send(request(operation, input.dump()))->wait();
    const json answer = response.body.empty() ? json::object() : json::parse(response.body);
    if (response.status == 200) return answer;
    EXPECT_EQ(response.headers.value("x-amzn-ErrorType"), answer["__type"].get<std::string>());
    message_ = answer.value("message", answer.value("Message", ""));
    return {{"error", answer["__type"]}};
  }
  std::string error_of(const std::string& operation, const json& input) {
    return ask(operation, input).value("error", "none");
  }
  json put(const std::string& key, const std::string& data = "QQ==") {
    return ask("PutRecord", {{"StreamName", "orders"}, {"PartitionKey", key}, {"Data", data}});
  }
  std::string iterator(int shard, const json& more) {
    json input = {{"StreamName", "orders"}, {"ShardId", shard_name(base::ShardId(shard))}};
    input.update(more);
    return ask("GetShardIterator", input).value("ShardIterator", "none");
  }
  std::vector<std::string> keys_from(int shard, const json& more) {
    std::vector<std::string> keys;
    const auto answer = ask("GetRecords", {{"ShardIterator", iterator(shard, more)}});
    for (const auto& record : answer.at("Records")) keys.push_back(record["PartitionKey"]);
    return keys;
  }
  std::set<int> listed(const json& filter) {
    std::set<int> numbers;
    json input = {{"StreamName", "orders"}};
    if (!filter.is_null()) input["ShardFilter"] = filter;
    const auto answer = ask("ListShards", input);
    for (const auto& shard : answer.at("Shards")) {
      numbers.insert(std::stoi(shard["ShardId"].get<std::string>().substr(8)));
    }
    return numbers;
  }

  os::TestFolder folder_;
  os::RealDisk disk_;
  base::FixedClock clock_{*base::parse_time("2026-11-21T12:00:00Z")};
  base::Random random_{7};
  base::EventLog lines_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::unique_ptr<log::StreamSet> streams_;
  std::unique_ptr<Service> service_;
  std::string message_;  // of the last error
};

TEST_F(ServiceTest, ARecordThatIsPutIsInTheStreamAndReadBack) {
  const auto answer = ask("PutRecord", {{"StreamName", "orders"},
                                        {"PartitionKey", "k"},
                                        {"ExplicitHashKey", "0"},
                                        {"Data", "aGVsbG8="}});
  EXPECT_EQ(answer["ShardId"], "shardId-000000000000");
  EXPECT_EQ(
      streams_->find("orders")->read(base::ShardId(0), base::Offset(0), 100)->records[0].bytes,
      "hello");
  const auto read =
      ask("GetRecords", {{"ShardIterator", iterator(0, {{"ShardIteratorType", "TRIM_HORIZON"}})}});
  ASSERT_EQ(read["Records"].size(), 1U);
  EXPECT_EQ(read["Records"][0]["Data"], "aGVsbG8=");
  EXPECT_EQ(read["Records"][0]["SequenceNumber"], answer["SequenceNumber"]);
  EXPECT_EQ(read["Records"][0]["ApproximateArrivalTimestamp"], 1795262400.0);
  EXPECT_EQ(read["MillisBehindLatest"], 0);
  const auto next = ask("GetRecords", {{"ShardIterator", read["NextShardIterator"]}});
  EXPECT_TRUE(next["Records"].empty());
  EXPECT_TRUE(next.contains("NextShardIterator"));
}

TEST_F(ServiceTest, AnswersInTheEncodingOfTheRequest) {
  const json input = {{"StreamName", "orders"},
                      {"Records",
                       {{{"PartitionKey", "a"}, {"Data", json::binary({1, 255})}},
                        {{"PartitionKey", "b"}, {"Data", json::binary({2})}}}}};
  const auto bytes = json::to_cbor(input);
  const auto response =
      send(request("PutRecords", {bytes.begin(), bytes.end()}, "application/x-amz-cbor-1.1"))
          ->wait();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.value("Content-Type"), "application/x-amz-cbor-1.1");
  const auto answer = json::from_cbor(response.body);
  EXPECT_EQ(answer["FailedRecordCount"], 0);
  EXPECT_EQ(answer["Records"].size(), 2U);
  const auto bad = send(request("PutRecords", "\xff", "application/x-amz-cbor-1.1"))->wait();
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(json::from_cbor(bad.body)["__type"], kSerialization);
}

TEST_F(ServiceTest, SequenceNumbersOfPutRecordsAreThoseThatAreReadBack) {
  json records = json::array();
  for (int i = 0; i < 50; ++i) {
    records.push_back({{"PartitionKey", "k" + std::to_string(i)}, {"Data", "QQ=="}});
  }
  const auto answer = ask("PutRecords", {{"StreamName", "orders"}, {"Records", records}});
  std::map<std::string, std::string> by_number;
  for (int shard : {0, 1}) {
    const auto read =
        ask("GetRecords",
            {{"ShardIterator", iterator(shard, {{"ShardIteratorType", "TRIM_HORIZON"}})}});
    for (const auto& record : read["Records"]) {
      by_number[record["SequenceNumber"]] = record["PartitionKey"];
    }
  }
  ASSERT_EQ(by_number.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(by_number.at(answer["Records"][i]["SequenceNumber"]), records[i]["PartitionKey"]);
  }
}

TEST_F(ServiceTest, BeginsWhereTheIteratorSays) {
  std::vector<std::string> numbers;
  for (const auto* key : {"a", "b", "c"}) {
    numbers.push_back(ask("PutRecord", {{"StreamName", "orders"},
                                        {"PartitionKey", key},
                                        {"ExplicitHashKey", "0"},
                                        {"Data", ""}})["SequenceNumber"]);
    clock_.advance(10s);
  }
  EXPECT_THAT(keys_from(0, {{"ShardIteratorType", "TRIM_HORIZON"}}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(keys_from(0, {{"ShardIteratorType", "LATEST"}}), ElementsAre());
  const auto at = [&](const char* type) {
    return keys_from(0, {{"ShardIteratorType", type}, {"StartingSequenceNumber", numbers[1]}});
  };
  EXPECT_THAT(at("AT_SEQUENCE_NUMBER"), ElementsAre("b", "c"));
  EXPECT_THAT(at("AFTER_SEQUENCE_NUMBER"), ElementsAre("c"));
  const auto since = [&](double seconds) {
    return keys_from(0,
                     {{"ShardIteratorType", "AT_TIMESTAMP"}, {"Timestamp", 1795262400 + seconds}});
  };
  EXPECT_THAT(since(10), ElementsAre("b", "c"));
  EXPECT_THAT(since(10.5), ElementsAre("c"));
  EXPECT_THAT(since(-1e6), ElementsAre("a", "b", "c"));
  const auto start =
      ask("ListShards",
          {{"StreamName", "orders"}})["Shards"][0]["SequenceNumberRange"]["StartingSequenceNumber"];
  EXPECT_THAT(keys_from(0, {{"ShardIteratorType", "AFTER_SEQUENCE_NUMBER"},
                            {"StartingSequenceNumber", start}}),
              ElementsAre("a", "b", "c"));
  EXPECT_EQ(iterator(1, {{"ShardIteratorType", "AT_SEQUENCE_NUMBER"},
                         {"StartingSequenceNumber", numbers[0]}}),
            "none");
  EXPECT_THAT(message_, HasSubstr("It encodes shardId-000000000000"));
  EXPECT_EQ(iterator(0, {{"ShardIteratorType", "AT_SEQUENCE_NUMBER"}}), "none");
  EXPECT_EQ(iterator(0, {{"ShardIteratorType", "AT_TIMESTAMP"}}), "none");
}

TEST_F(ServiceTest, IteratorsExpireAndCannotBeForged) {
  const auto good = iterator(0, {{"ShardIteratorType", "LATEST"}});
  auto forged = good;
  forged[20] = forged[20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(error_of("GetRecords", {{"ShardIterator", forged}}), kInvalidArgument);
  EXPECT_EQ(error_of("GetRecords", {{"ShardIterator", "x"}}), kInvalidArgument);
  clock_.advance(5min);
  EXPECT_EQ(error_of("GetRecords", {{"ShardIterator", good}}), "none");
  clock_.advance(1s);
  EXPECT_EQ(error_of("GetRecords", {{"ShardIterator", good}}), kExpiredIterator);
}

TEST_F(ServiceTest, AClosedShardEndsWithItsChildrenAndFiltersKnowWhatWasOpenWhen) {
  put("a");
  clock_.advance(1h);
  EXPECT_EQ(error_of("MergeShards", {{"StreamName", "orders"},
                                     {"ShardToMerge", "shardId-000000000000"},
                                     {"AdjacentShardToMerge", "shardId-000000000001"}}),
            "none");
  for (int shard : {0, 1}) {
    const auto end =
        ask("GetRecords",
            {{"ShardIterator", iterator(shard, {{"ShardIteratorType", "TRIM_HORIZON"}})}});
    EXPECT_FALSE(end.contains("NextShardIterator"));
    EXPECT_EQ(end["ChildShards"][0]["ShardId"], "shardId-000000000002");
    EXPECT_EQ(end["ChildShards"][0]["ParentShards"].size(), 2U);
  }
  EXPECT_THAT(listed(nullptr), ElementsAre(0, 1, 2));
  EXPECT_THAT(listed({{"Type", "AT_LATEST"}}), ElementsAre(2));
  EXPECT_THAT(listed({{"Type", "AT_TRIM_HORIZON"}}), ElementsAre(0, 1));
  EXPECT_THAT(listed({{"Type", "FROM_TRIM_HORIZON"}}), ElementsAre(0, 1, 2));
  EXPECT_THAT(listed({{"Type", "AT_TIMESTAMP"}, {"Timestamp", 1795262400 + 60}}),
              ElementsAre(0, 1));
  EXPECT_THAT(listed({{"Type", "AT_TIMESTAMP"}, {"Timestamp", 1795262400 + 3600}}), ElementsAre(2));
  EXPECT_THAT(listed({{"Type", "FROM_TIMESTAMP"}, {"Timestamp", 1795262400 + 3600}}),
              ElementsAre(2));
  EXPECT_THAT(listed({{"Type", "AFTER_SHARD_ID"}, {"ShardId", "shardId-000000000000"}}),
              ElementsAre(1, 2));
  const auto shards =
      ask("DescribeStream", {{"StreamName", "orders"}})["StreamDescription"]["Shards"];
  EXPECT_TRUE(shards[0]["SequenceNumberRange"].contains("EndingSequenceNumber"));
  EXPECT_EQ(shards[2]["AdjacentParentShardId"], "shardId-000000000001");
  clock_.advance(std::chrono::days(8));
  EXPECT_THAT(listed({{"Type", "AT_TRIM_HORIZON"}}), ElementsAre(2))
      << "the parents' records are gone";
  EXPECT_THAT(listed(nullptr), ElementsAre(2));
}

TEST_F(ServiceTest, ListsGoOnWithTokens) {
  const auto first = ask("ListShards", {{"StreamName", "orders"}, {"MaxResults", 1}});
  EXPECT_EQ(first["Shards"].size(), 1U);
  const std::string token = first["NextToken"];
  const auto second = ask("ListShards", {{"NextToken", token}, {"MaxResults", 1}});
  EXPECT_EQ(second["Shards"][0]["ShardId"], "shardId-000000000001");
  EXPECT_FALSE(second.contains("NextToken"));
  EXPECT_EQ(error_of("ListShards", {{"NextToken", token}, {"StreamName", "orders"}}),
            kInvalidArgument);
  EXPECT_EQ(error_of("ListStreams", {{"NextToken", token}}), kInvalidArgument);
  clock_.advance(6min);
  EXPECT_EQ(error_of("ListShards", {{"NextToken", token}}), kExpiredToken);
}

TEST_F(ServiceTest, StreamsAreMadeAndDeletedButNoSource) {
  EXPECT_EQ(error_of("CreateStream", {{"StreamName", "made"}, {"ShardCount", 3}}), "none");
  EXPECT_EQ(error_of("CreateStream", {{"StreamName", "made"}}), kResourceInUse);
  EXPECT_EQ(error_of("CreateStream", {{"StreamName", "many"}, {"ShardCount", 100000}}),
            kLimitExceeded);
  EXPECT_EQ(ask("ListStreams", json::object())["StreamNames"], json({"made", "orders"}));
  EXPECT_EQ(error_of("DeleteStream", {{"StreamName", "orders"}}), kResourceInUse);
  EXPECT_EQ(error_of("DeleteStream", {{"StreamName", "made"}}), "none");
  EXPECT_EQ(error_of("DescribeStreamSummary", {{"StreamName", "made"}}), kResourceNotFound);
  EXPECT_EQ(error_of("DescribeStreamSummary", json::object()), kInvalidArgument);
}

// The log is full: nothing is dropped, each record is told to come again.
TEST_F(ServiceTest, OverloadRefusesEachRecord) {
  ask("CreateStream", {{"StreamName", "made"}});
  const std::string data(80'000, 'A');
  json records = json::array();
  for (int i = 0; i < 3; ++i) records.push_back({{"PartitionKey", "k"}, {"Data", data}});
  json answer;
  for (int i = 0; i < 3; ++i) {
    answer = ask("PutRecords", {{"StreamName", "made"}, {"Records", records}});
  }
  EXPECT_EQ(answer["FailedRecordCount"], 3);
  EXPECT_EQ(answer["Records"][2]["ErrorCode"], kThroughputExceeded);
  const std::string larger(120'000, 'A');
  EXPECT_EQ(
      error_of("PutRecord", {{"StreamName", "made"}, {"PartitionKey", "k"}, {"Data", larger}}),
      kThroughputExceeded);
}

TEST_F(ServiceTest, RefusesRecordsAboveTheLimitAndKeysBeyondTheSpace) {
  std::string large((std::size_t{1} << 20) / 3 * 4 + 8, 'A');
  EXPECT_EQ(put("k", large).value("error", ""), kValidation);
  EXPECT_EQ(error_of("PutRecord", {{"StreamName", "orders"},
                                   {"PartitionKey", "k"},
                                   {"ExplicitHashKey", "340282366920938463463374607431768211456"},
                                   {"Data", ""}}),
            kInvalidArgument);
}

TEST_F(ServiceTest, TakesLargerRecordsWhereItIsToldTo) {
  const auto summary = [&] {
    return ask("DescribeStreamSummary", {{"StreamName", "orders"}})["StreamDescriptionSummary"];
  };
  EXPECT_EQ(summary()["MaxRecordSizeInKiB"], 1024);
  const json arn = {{"StreamARN", summary()["StreamARN"]}};
  json wanted = arn;
  wanted["MaxRecordSizeInKiB"] = 2048;
  EXPECT_EQ(error_of("UpdateMaxRecordSize", wanted), "none");
  EXPECT_EQ(summary()["MaxRecordSizeInKiB"], 2048);
  // 3 bytes as 4 characters: 2 MiB with the key, and a group above.
  const std::size_t groups = (std::size_t{2} << 20) / 3;
  std::string data;
  for (std::size_t i = 0; i < groups; ++i) data += "QUFB";
  EXPECT_FALSE(put("k", data).contains("error"));
  EXPECT_EQ(put("k", data + "QUFB")["error"], "ValidationException");
  EXPECT_THAT(message_, HasSubstr("2097152"));
  for (const int size : {1023, 10241}) {
    wanted["MaxRecordSizeInKiB"] = size;
    EXPECT_EQ(error_of("UpdateMaxRecordSize", wanted), "ValidationException");
  }
}

TEST_F(ServiceTest, RefusesUnknownOperationsOtherMachinesAndBadBodies) {
  EXPECT_EQ(error_of("PutRecordz", json::object()), kUnknownOperation);
  auto other_type = request("ListStreams", "{}", "text/plain");
  EXPECT_EQ(json::parse(send(other_type)->wait().body)["__type"], kUnknownOperation);
  auto other_machine = request("ListStreams", "{}");
  other_machine.peer = "10.0.0.7:5000";
  EXPECT_EQ(json::parse(send(other_machine)->wait().body)["__type"], kAccessDenied);
  const auto bad = send(request("ListStreams", "{"))->wait();
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(json::parse(bad.body)["__type"], kSerialization);
  EXPECT_TRUE(json::parse(bad.body).contains("Message"));
  EXPECT_FALSE(bad.headers.value("x-amzn-RequestId").empty());
}

TEST_F(ServiceTest, RetentionAndTagsAreKept) {
  const auto hours = [&](const char* operation, int asked) {
    return error_of(operation, {{"StreamName", "orders"}, {"RetentionPeriodHours", asked}});
  };
  EXPECT_EQ(hours("IncreaseStreamRetentionPeriod", 200), "none");
  EXPECT_EQ(hours("IncreaseStreamRetentionPeriod", 100), kInvalidArgument);
  EXPECT_EQ(hours("DecreaseStreamRetentionPeriod", 300), kInvalidArgument);
  EXPECT_EQ(hours("DecreaseStreamRetentionPeriod", 23), kInvalidArgument);
  EXPECT_EQ(streams_->find("orders")->description()->retention, 200h);
  EXPECT_EQ(
      error_of("AddTagsToStream", {{"StreamName", "orders"}, {"Tags", {{"a", "1"}, {"b", ""}}}}),
      "none");
  EXPECT_EQ(error_of("RemoveTagsFromStream", {{"StreamName", "orders"}, {"TagKeys", {"a"}}}),
            "none");
  EXPECT_EQ(ask("ListTagsForStream", {{"StreamName", "orders"}})["Tags"],
            json::parse(R"([{"Key":"b","Value":""}])"));
}

TEST_F(ServiceTest, ASubscriptionGivesRecordsUntilTheShardEnds) {
  ask("PutRecord", {{"StreamName", "orders"},
                    {"PartitionKey", "k"},
                    {"ExplicitHashKey", "0"},
                    {"Data", "QQ=="}});
  const auto arn = stream_arn({}, "orders");
  const auto consumer =
      ask("RegisterStreamConsumer", {{"StreamARN", arn}, {"ConsumerName", "reader"}})["Consumer"];
  EXPECT_EQ(error_of("RegisterStreamConsumer", {{"StreamARN", arn}, {"ConsumerName", "reader"}}),
            kResourceInUse);
  ask("MergeShards", {{"StreamName", "orders"},
                      {"ShardToMerge", "shardId-000000000000"},
                      {"AdjacentShardToMerge", "shardId-000000000001"}});
  const json input = {{"ConsumerARN", consumer["ConsumerARN"]},
                      {"ShardId", "shardId-000000000000"},
                      {"StartingPosition", {{"Type", "TRIM_HORIZON"}}}};
  const auto response = send(request("SubscribeToShard", input.dump()))->wait();
  EXPECT_EQ(response.headers.value("Content-Type"), "application/vnd.amazon.eventstream");
  EXPECT_THAT(response.body, HasSubstr("initial-response"));
  EXPECT_THAT(response.body, HasSubstr("SubscribeToShardEvent"));
  EXPECT_THAT(response.body, HasSubstr("\"Data\":\"QQ==\""));
  EXPECT_THAT(response.body, HasSubstr("\"ChildShards\":[{\"ShardId\":\"shardId-000000000002\""));
  EXPECT_EQ(error_of("DeregisterStreamConsumer", {{"ConsumerARN", consumer["ConsumerARN"]}}),
            "none");
  EXPECT_EQ(error_of("SubscribeToShard", input), kResourceNotFound);
}

// One that waits for records ends with the service, at once.
TEST_F(ServiceTest, ASubscriptionEndsWithTheService) {
  const auto arn = stream_arn({}, "orders");
  const auto consumer =
      ask("RegisterStreamConsumer", {{"StreamARN", arn}, {"ConsumerName", "reader"}})["Consumer"];
  const auto sink =
      send(request("SubscribeToShard", json{{"ConsumerARN", consumer["ConsumerARN"]},
                                            {"ShardId", "shardId-000000000000"},
                                            {"StartingPosition", {{"Type", "LATEST"}}}}
                                           .dump()));
  ask("ListStreams", json::object());
  service_->end_subscriptions();
  EXPECT_THAT(sink->wait().status, testing::AnyOf(200, 400));
}

}  // namespace
}  // namespace millrace::kinesis
