#include "lambda/handler.hpp"

#include "lambda/test_function.hpp"

namespace millrace::lambda {
namespace {

using base::Code;
using testing::HasSubstr;

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

// The process was killed between the commits of two tables, which had none before.
TEST(Handler, ATableWhoseFirstCommitDidNotComeHasAllRecordsAllTheSame) {
  os::TestFolder lake;
  const auto event = kinesis(101, {order("a", 2000), order("b")});
  {
    FunctionBench killed(lake.path());
    EXPECT_EQ(killed.handle(event), kNothingLeft);
  }
  take_back_last_commit(lake.path(), "frauds");
  FunctionBench next(lake.path());
  EXPECT_EQ(next.handle(event), kNothingLeft);
  EXPECT_EQ(next.handle(kinesis(103, {order("c", 3000)})), kNothingLeft);
  EXPECT_EQ(next.ask("SELECT string_agg(id, ' ' ORDER BY id) FROM frauds"), "a c");
  EXPECT_EQ(next.ask(kIds), "a b c");
  EXPECT_EQ(next.fatal, "");
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
