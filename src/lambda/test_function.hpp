#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/base64.hpp"
#include "config/read.hpp"
#include "lambda/handler.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lambda {

using namespace std::chrono_literals;

inline constexpr const char* kSources = R"(
pipeline: shop
lake: ./tables
sources:
  orders: {from: kinesis, stream: shop-orders, format: json, schema: {id: varchar, amount: bigint}}
  clicks: {from: log, format: json, schema: {id: varchar}}
)";
inline constexpr const char* kTables = R"(
tables:
  checked:
    from: orders
    expect: {has_id: {check: id IS NOT NULL, otherwise: reject}}
    sql: SELECT id, amount > 1000 AS is_fraud FROM orders WHERE amount <> 13
  frauds: {from: checked, sql: SELECT id FROM checked WHERE is_fraud}
  seen: {from: clicks, sql: SELECT id FROM clicks}
)";

inline config::Pipeline parsed(const std::string& text, const os::Path& folder) {
  auto read = config::parse_pipeline(text, folder / "shop.yaml");
  if (const auto* problems = std::get_if<config::Problems>(&read)) {
    for (const auto& error : problems->errors) ADD_FAILURE() << error.text();
    return {};
  }
  return std::get<config::Pipeline>(std::move(read));
}

/// As if the process had been killed before it.
inline void take_back_last_commit(const os::Path& lake, const std::string& table) {
  os::Path last;
  for (const auto& entry :
       std::filesystem::directory_iterator(lake / "tables" / table / "_delta_log")) {
    last = std::max(last, entry.path());
  }
  ASSERT_EQ(last.extension(), ".json");
  std::filesystem::remove(last);
}

/// One process of the function, on a lake that others share.
class FunctionBench {
 public:
  explicit FunctionBench(const os::Path& lake, const char* tables = kTables,
                         flow::ClaimStore* claims = nullptr, std::uint64_t seed = 0)
      : slots_(seed == 0 ? base::Random() : base::Random(seed)),
        pipeline_(parsed(std::string(kSources) + tables, lake)) {
    using Numbering = source::HandedSourceOptions::Numbering;
    orders = std::make_unique<source::HandedSource>(
        source::HandedSourceOptions{.name = "orders", .incarnation = "17", .shard_count = 2});
    clicks = std::make_unique<source::HandedSource>(
        source::HandedSourceOptions{.name = "clicks",
                                    .incarnation = "lambda",
                                    .shard_count = kArrivalShards,
                                    .numbering = Numbering::Arrival});
    engine_ = sql::Instance::open({.threads = 1}).value();
    lake::Tools tools{disk_, *engine_, clock, random_, {log_, metrics}};
    tools.tables = pipeline_.lake;
    flow::WorkerParts parts{.pipeline = pipeline_,
                            .sources = {{"orders", orders.get()}, {"clicks", clicks.get()}},
                            .registries = {},
                            .lookups = {},
                            .tools = tools,
                            .board = board_,
                            .folder = folder_.path(),
                            .options = {.follow_every = 1h},
                            .claims = claims};
    parts.options.loop.rest_when_overtaken = 0s;
    auto opened = flow::Worker::open(std::move(parts));
    EXPECT_TRUE(opened) << opened.error().text();
    worker = std::move(opened).value();
    worker->start([this](const base::Error& error) { fatal = error.text(); });
    handler = std::make_unique<Handler>(
        HandlerParts{.pipeline = pipeline_,
                     .worker = *worker,
                     .sources = {{"orders", orders.get()}, {"clicks", clicks.get()}},
                     .look_again =
                         [this](const auto&) {
                           ++looks;
                           orders->set_range(base::ShardId(7), {});
                           return base::Result<void>();
                         },
                     .command = [](const auto& command,
                                   auto) { return base::Result<std::string>("did " + command); },
                     .transform = [](auto) -> base::Result<flow::Transform*> {
                       return base::Error{base::Code::Invalid, "nothing is transformed here"};
                     },
                     .clock = clock,
                     .random = slots_,
                     .telemetry = {log_, metrics}});
  }
  ~FunctionBench() {
    handler.reset();
    worker.reset();
  }

  std::string handle(const std::string& event, std::chrono::milliseconds left = 30s) {
    const auto answer = handler->handle({"r1", event, clock.steady_now() + left});
    return answer ? *answer : "error: " + answer.error().text();
  }
  /// What one value of SQL over the committed tables is.
  std::string ask(const std::string& sql) {
    auto connection = engine_->connect().value();
    std::vector<std::string> names{"_rejects"};
    for (const auto& table : pipeline_.tables) names.push_back(table.name);
    for (const auto& name : names) {
      auto* table = board_.table(name);
      EXPECT_TRUE(table->refresh());
      EXPECT_TRUE(connection.run(fmt::format("CREATE OR REPLACE TEMP VIEW {} AS {}", name,
                                             lake::scan_sql(table->root(), *table->snapshot()))));
    }
    const auto value = connection.scalar(sql);
    return value ? value->value_or("NULL") : value.error().text();
  }

  base::SystemClock clock;
  base::Metrics metrics;
  std::unique_ptr<source::HandedSource> orders, clicks;
  std::unique_ptr<flow::Worker> worker;
  std::unique_ptr<Handler> handler;
  std::string fatal;
  int looks = 0;

 private:
  os::TestFolder folder_;
  os::RealDisk disk_;
  base::Random random_;
  base::Random slots_;  // the same seed is the same shard of arrivals
  base::EventLog log_ = base::EventLog::silent();
  config::Pipeline pipeline_;
  std::unique_ptr<sql::Instance> engine_;
  flow::CutBoard board_;
};

inline constexpr const char* kIds = "SELECT string_agg(id, ' ' ORDER BY id) FROM checked";
inline constexpr const char* kNothingLeft = R"({"batchItemFailures":[]})";

inline std::string order(const std::string& id, int amount = 1) {
  return fmt::format(R"({{"id":"{}","amount":{}}})", id, amount);
}

/// An event of records of one shard, numbered from `first` on.
inline std::string kinesis(int first, const std::vector<std::string>& records, int shard = 0,
                           const std::string& stream = "shop-orders") {
  std::string items;
  for (const auto& record : records) {
    std::string data;
    base::append_base64(record, data);
    items += fmt::format(
        R"({}{{"kinesis":{{"partitionKey":"k","sequenceNumber":"{}","data":"{}",
        "approximateArrivalTimestamp":1545084650.987}},"eventSource":"aws:kinesis",
        "eventID":"shardId-{:012}:{}",
        "eventSourceARN":"arn:aws:kinesis:us-east-2:1:stream/{}"}})",
        items.empty() ? "" : ",", first, data, shard, first, stream);
    ++first;
  }
  return fmt::format(R"({{"Records":[{}]}})", items);
}

inline std::string sqs(const std::vector<std::string>& ids, const std::string& queue = "clicks") {
  std::string items;
  for (const auto& id : ids) {
    items += fmt::format(
        R"({}{{"messageId":"m-{}","body":"{{\"id\":\"{}\"}}","attributes":{{
        "SentTimestamp":"1545082649183"}},"eventSource":"aws:sqs",
        "eventSourceARN":"arn:aws:sqs:us-east-2:1:{}"}})",
        items.empty() ? "" : ",", id, id, queue);
  }
  return fmt::format(R"({{"Records":[{}]}})", items);
}

inline std::string request(const std::string& path, const std::string& body) {
  return fmt::format(
      R"({{"version":"2.0","rawPath":"{}","headers":{{"content-type":"application/x-ndjson"}},
      "requestContext":{{"http":{{"method":"POST"}}}},"body":"{}","isBase64Encoded":false}})",
      path, body);
}

}  // namespace millrace::lambda
