#include "lambda/handler.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/base64.hpp"
#include "config/read.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lambda {
namespace {

using base::Code;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr const char* kPipeline = R"(
pipeline: shop
lake: ./tables
sources:
  orders: {from: kinesis, stream: shop-orders, format: json, schema: {id: varchar, amount: bigint}}
  clicks: {from: log, format: json, schema: {id: varchar}}
tables:
  checked:
    from: orders
    expect: {has_id: {check: id IS NOT NULL, otherwise: reject}}
    sql: SELECT id, amount > 1000 AS is_fraud FROM orders WHERE amount <> 13
  frauds: {from: checked, sql: SELECT id FROM checked WHERE is_fraud}
  seen: {from: clicks, sql: SELECT id FROM clicks}
)";

config::Pipeline parsed(const char* text, const os::Path& folder) {
  auto read = config::parse_pipeline(text, folder / "shop.yaml");
  if (const auto* problems = std::get_if<config::Problems>(&read)) {
    for (const auto& error : problems->errors) ADD_FAILURE() << error.text();
    return {};
  }
  return std::get<config::Pipeline>(std::move(read));
}

/// One process of the function, on a lake that others share.
class FunctionBench {
 public:
  explicit FunctionBench(const os::Path& lake, const char* text = kPipeline)
      : pipeline_(parsed(text, lake)) {
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
                            .options = {.follow_every = 1h}};
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
                     .clock = clock,
                     .random = random_,
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
    for (const std::string name : {"checked", "frauds", "seen", "_rejects"}) {
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
  base::EventLog log_ = base::EventLog::silent();
  config::Pipeline pipeline_;
  std::unique_ptr<sql::Instance> engine_;
  flow::CutBoard board_;
};

constexpr const char* kIds = "SELECT string_agg(id, ' ' ORDER BY id) FROM checked";
constexpr const char* kNothingLeft = R"({"batchItemFailures":[]})";

std::string order(const std::string& id, int amount = 1) {
  return fmt::format(R"({{"id":"{}","amount":{}}})", id, amount);
}

/// An event of records of one shard, numbered from `first` on.
std::string kinesis(int first, const std::vector<std::string>& records, int shard = 0,
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

std::string sqs(const std::vector<std::string>& ids, const std::string& queue = "clicks") {
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

std::string request(const std::string& path, const std::string& body) {
  return fmt::format(
      R"({{"version":"2.0","rawPath":"{}","headers":{{"content-type":"application/x-ndjson"}},
      "requestContext":{{"http":{{"method":"POST"}}}},"body":"{}","isBase64Encoded":false}})",
      path, body);
}

TEST(Handler, AnswersWhenAllTablesHaveCommitted) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  EXPECT_EQ(bench.handle(kinesis(101, {order("a"), order("b", 2000), order("c", 13)})),
            kNothingLeft);
  EXPECT_EQ(bench.ask(kIds), "a b");
  EXPECT_EQ(bench.ask("SELECT string_agg(id, ' ') FROM frauds"), "b");
  EXPECT_EQ(bench.handle(kinesis(104, {order("d")})), kNothingLeft);
  EXPECT_EQ(bench.handle(kinesis(7, {order("e")}, 1)), kNothingLeft);
  EXPECT_EQ(bench.ask(kIds), "a b d e");
  EXPECT_EQ(bench.ask("SELECT string_agg(_shard || ':' || _offset, ' ' ORDER BY id) FROM checked"),
            "0:0 0:1 0:3 1:0");
  EXPECT_EQ(bench.fatal, "");
}

TEST(Handler, TheSameBatchAgainChangesNothing) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  const auto event = kinesis(101, {order("a"), order("b")});
  EXPECT_EQ(bench.handle(event), kNothingLeft);
  EXPECT_EQ(bench.handle(event), kNothingLeft);
  EXPECT_EQ(bench.handle(kinesis(102, {order("b"), order("c")})), kNothingLeft);
  EXPECT_EQ(bench.ask(kIds), "a b c");
}

TEST(Handler, AnotherProcessGoesOnWhereThisOneWas) {
  os::TestFolder lake;
  FunctionBench one(lake.path()), two(lake.path());
  EXPECT_EQ(one.handle(kinesis(101, {order("a")})), kNothingLeft);
  EXPECT_EQ(two.handle(kinesis(101, {order("a"), order("b")})), kNothingLeft);
  EXPECT_EQ(one.handle(kinesis(102, {order("b"), order("c")})), kNothingLeft);
  EXPECT_EQ(two.handle(kinesis(104, {order("d")})), kNothingLeft);
  EXPECT_EQ(one.ask(kIds), "a b c d");
  EXPECT_EQ(one.ask("SELECT string_agg(_offset, ' ' ORDER BY id) FROM checked"), "0 1 2 3");
  EXPECT_EQ(one.fatal + two.fatal, "");
}

// A function that was believed dead is still at work on the batch that another one got.
TEST(Handler, TwoAtOnceOnOneBatchHaveItOnce) {
  os::TestFolder lake;
  FunctionBench one(lake.path()), two(lake.path());
  for (int round = 0; round < 20; ++round) {
    const auto event = kinesis(100 + 2 * round, {order(fmt::format("{:02}a", round)),
                                                 order(fmt::format("{:02}b", round))});
    std::string first, second;
    {
      const std::jthread other([&] { first = one.handle(event); });
      second = two.handle(event);
    }
    EXPECT_EQ(first, kNothingLeft);
    EXPECT_EQ(second, kNothingLeft);
  }
  EXPECT_EQ(one.ask("SELECT count(*) || ' ' || count(DISTINCT id) FROM checked"), "40 40");
  EXPECT_EQ(one.ask("SELECT count(DISTINCT _offset) FROM checked"), "40");
  EXPECT_EQ(one.fatal + two.fatal, "");
}

TEST(Handler, ABadRecordIsARejectAndStopsNothing) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  EXPECT_EQ(bench.handle(kinesis(101, {"{\"id\":", R"({"amount":1})", order("a")})), kNothingLeft);
  EXPECT_EQ(bench.ask(kIds), "a");
  EXPECT_EQ(bench.ask("SELECT string_agg(reason, ' ' ORDER BY _offset) FROM _rejects"),
            "malformed has_id");
}

TEST(Handler, AsksForAShardThatIsNew) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  EXPECT_EQ(bench.handle(kinesis(101, {order("a")}, 7)), kNothingLeft);
  EXPECT_EQ(bench.looks, 1);
  EXPECT_EQ(bench.ask("SELECT max(_shard) FROM checked"), "7");
}

TEST(Handler, MessagesGoToTheSourceOfTheQueuesName) {
  os::TestFolder lake;
  FunctionBench one(lake.path()), two(lake.path());
  EXPECT_EQ(one.handle(sqs({"a", "b"})), kNothingLeft);
  EXPECT_EQ(two.handle(sqs({"c"})), kNothingLeft);
  EXPECT_EQ(one.handle(sqs({"d"}, "another-queue")), kNothingLeft) << "there is but one source";
  EXPECT_EQ(one.ask("SELECT string_agg(id, ' ' ORDER BY id) FROM seen"), "a b c d");
}

TEST(Handler, TakesTheDetailOfAnEvent) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  EXPECT_EQ(bench.handle(R"({"version":"0","id":"e1","detail-type":"Click","source":"clicks",
      "time":"2026-11-20T12:00:00Z","detail":{"id":"a"}})"),
            R"({"records":1})");
  EXPECT_EQ(bench.ask("SELECT string_agg(id, ' ') FROM seen"), "a");
}

TEST(Handler, TakesRequestsAndSaysWhatIsWrongWithThem) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  EXPECT_THAT(
      bench.handle(request("/v1/streams/clicks/records", R"({\"id\":\"a\"}\n{\"id\":\"b\"}\n)")),
      testing::AllOf(HasSubstr(R"("statusCode":200)"), HasSubstr(R"({\"records\":2})")));
  EXPECT_EQ(bench.ask("SELECT string_agg(id, ' ' ORDER BY id) FROM seen"), "a b");
  EXPECT_THAT(bench.handle(request("/else", "")), HasSubstr(R"("statusCode":404)"));
  EXPECT_THAT(bench.handle(request("/v1/streams/records", "")), HasSubstr(R"("statusCode":404)"));
}

TEST(Handler, SaysWhatIsWrongWithAnEvent) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  EXPECT_THAT(bench.handle("{"), HasSubstr("the event is not JSON"));
  EXPECT_THAT(bench.handle(R"({"Records":[{"eventSource":"aws:s3"}]})"), HasSubstr("'aws:s3'"));
  EXPECT_THAT(
      bench.handle(kinesis(1, {"{}"}, 0, "other")),
      HasSubstr("no source of the pipeline reads the stream 'other'; it reads shop-orders"));
  EXPECT_EQ(bench.handle(R"({"millrace":"jobs"})"), "did jobs");
}

TEST(Handler, DoesNotBeginWhenTheDeadlineIsNear) {
  os::TestFolder lake;
  FunctionBench bench(lake.path());
  EXPECT_THAT(bench.handle(kinesis(101, {order("a")}), 50ms), HasSubstr("too near to begin"));
  EXPECT_EQ(bench.ask(kIds), "NULL");
  EXPECT_EQ(bench.handle(kinesis(101, {order("a")})), kNothingLeft);
  EXPECT_EQ(bench.ask(kIds), "a");
}

TEST(Handler, ATableThatHaltsFailsTheInvocation) {
  os::TestFolder lake;
  FunctionBench bench(lake.path(), R"(
pipeline: shop
lake: ./tables
sources:
  orders: {from: kinesis, stream: shop-orders, format: json, schema: {id: varchar, amount: bigint}}
  clicks: {from: log, format: json, schema: {id: varchar}}
tables:
  checked:
    from: orders
    expect: {is_small: {check: amount < 10, otherwise: halt}}
    sql: SELECT id FROM orders
  frauds: {from: orders, sql: SELECT id FROM orders}
  seen: {from: clicks, sql: SELECT id FROM clicks}
)");
  EXPECT_EQ(bench.handle(kinesis(101, {order("a"), order("b", 20)}), 2s),
            R"({"batchItemFailures":[{"itemIdentifier":"102"}]})")
      << "what came before it is committed";
  EXPECT_THAT(bench.handle(kinesis(102, {order("b", 20)}), 2s),
              HasSubstr("table 'checked' halted"));
}

}  // namespace
}  // namespace millrace::lambda
