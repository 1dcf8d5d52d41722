#include <gtest/gtest.h>

#include "flow/test_worker.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

/// Asks until it is the answer.
std::string await(WorkerBench& bench, const std::string& sql, const std::string& expected) {
  std::string got;
  for (int i = 0; i < 500; ++i) {
    got = bench.ask(sql);
    if (got == expected) break;
    std::this_thread::sleep_for(10ms);
  }
  return got;
}

TEST(Worker, ReplaysRejectsOnceThroughTheTableThatRejectedThem) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(1, R"({"amount": 2000, "ts": "2026-11-20T10:00:00Z"})");
  bench.source.put(1, "{never");
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  bench.pipeline.tables[0].expectations.clear();  // the fix
  ASSERT_TRUE(bench.begin());
  const auto started = bench.worker->replay({});
  ASSERT_TRUE(started) << started.error().text();
  EXPECT_EQ(started->records, 2);
  const std::string outcomes =
      "SELECT _shard, _offset, stage, reason, outcome FROM _rejects WHERE replay = '1' "
      "ORDER BY _offset";
  const std::string expected = "1 0 expect has_id accepted | 1 1 decode malformed rejected";
  EXPECT_EQ(await(bench, outcomes, expected), expected);
  EXPECT_EQ(bench.ask("SELECT amount, _shard FROM checked"), "2000.00 -1");
  EXPECT_EQ(bench.ask("SELECT amount FROM frauds"), "2000.00");
  ASSERT_TRUE(bench.worker->commit_now());
  bench.restart();
  EXPECT_EQ(bench.ask("SELECT count(*) FROM checked"), "1");
  EXPECT_EQ(bench.ask("SELECT count(*) FROM _rejects WHERE replay IS NOT NULL"), "2");
  const auto again = bench.worker->replay({});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->records, 1);  // what was accepted is no reject any more
}

constexpr std::string_view kOfKafka = R"y(
pipeline: shop
sources:
  orders:
    from: kafka
    brokers: a
    schema: {n: bigint}
    headers: {trace: x-trace, tenant: tenant}
    key_column: customer
tables:
  kept:
    from: orders
    expect: {is_ours: {check: tenant = 'acme', otherwise: reject}}
    sql: SELECT n, trace, tenant, customer FROM orders
)y";

/// One reject whose record had headers and a key; the expectation is gone then.
void reject_with_headers(WorkerBench& bench) {
  bench.source.key = "c1";
  bench.source.headers = {{"x-trace", "0af7651916cd43dd"}, {"tenant", std::nullopt}};
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, R"({"n": 1})");
  EXPECT_EQ(bench.ask("SELECT partition_key, reason, headers FROM _rejects"),
            R"(c1 is_ours {"x-trace":"0af7651916cd43dd","tenant":null})");
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  bench.pipeline.tables[0].expectations.clear();
}

TEST(Worker, AReplayHasTheHeadersAndTheKeyOfTheRecord) {
  WorkerBench bench(kOfKafka);
  reject_with_headers(bench);
  ASSERT_TRUE(bench.begin());
  ASSERT_TRUE(bench.worker->replay({}));
  EXPECT_EQ(
      await(bench, "SELECT * EXCLUDE (_received_at) FROM kept", "1 0af7651916cd43dd  c1 -1 0 0"),
      "1 0af7651916cd43dd  c1 -1 0 0");
  EXPECT_EQ(bench.ask("SELECT count(*), count(DISTINCT headers) FROM _rejects"), "2 1");
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(bench.unaccounted(), "");
}

TEST(Worker, AHeaderThatIsNoTextIsRejectedAgainByAReplay) {
  WorkerBench bench(kOfKafka);
  bench.source.headers = {{"tenant", "\xFF"}};
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, R"({"n": 1})");
  const std::string all =
      "SELECT reason, headers, outcome FROM _rejects ORDER BY outcome NULLS FIRST";
  const std::string first = R"(invalid_utf8 {"tenant":{"base64":"/w=="}} )";
  EXPECT_EQ(bench.ask(all), first);
  ASSERT_TRUE(bench.worker->commit_now());
  ASSERT_TRUE(bench.worker->replay({}));
  const auto both = first + " | " + first + "rejected";
  EXPECT_EQ(await(bench, all, both), both);
}

TEST(Worker, ReplaysAManifestOfBeforeHeadersWereKept) {
  WorkerBench bench(kOfKafka);
  reject_with_headers(bench);
  ASSERT_TRUE(bench.begin());
  const auto started = bench.worker->replay({});
  ASSERT_TRUE(started);
  bench.crash();
  const auto manifest = bench.folder.path() / "replay" / "1.kept.parquet";
  const auto older = manifest.string() + ".tmp";
  const auto engine = sql::Instance::open({}).value();
  auto connection = engine->connect().value();
  ASSERT_TRUE(connection.run("COPY (SELECT * EXCLUDE (headers) FROM read_parquet('" +
                             manifest.string() + "')) TO '" + older + "' (FORMAT parquet)"));
  std::filesystem::rename(older, manifest);
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(await(bench, "SELECT n, trace, customer FROM kept", "1  c1"), "1  c1");
}

TEST(Worker, HaltsOneTableAndItsChildrenAtARecordAndKeepsItForTheRestart) {
  WorkerBench bench(R"y(
pipeline: shop
sources:
  orders: {from: log, shards: 2, format: json, schema: {id: varchar, amount: bigint}}
tables:
  strict:
    from: orders
    expect: {not_13: {check: amount <> 13, otherwise: halt}}
    sql: SELECT * FROM orders
  below: {from: strict, sql: SELECT id FROM strict}
  lenient: {from: orders, sql: SELECT * FROM orders}
)y");
  ASSERT_TRUE(bench.begin());
  for (const auto* amount : {"1", "13", "3"}) {
    bench.source.put(0, std::string(R"({"id":"x","amount":)") + amount + "}");
  }
  EXPECT_EQ(bench.ask("SELECT count(*) FROM lenient"), "3");
  EXPECT_EQ(bench.ask("SELECT amount FROM strict"), "1");
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(bench.source.released[0], base::Offset(1));  // the record is kept for the restart
  bench.crash();
  bench.pipeline.tables[0].expectations.clear();
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT count(*) FROM strict"), "3");
  EXPECT_EQ(bench.ask("SELECT count(*) FROM below"), "3");
  EXPECT_EQ(bench.ask("SELECT count(*) FROM lenient"), "3");
}

TEST(Worker, NumbersTheRowsOfARecordThatGivesSeveral) {
  WorkerBench bench(R"y(
pipeline: shop
sources:
  orders: {from: log, shards: 2, format: json, schema: {id: varchar, items: "varchar[]"}}
tables:
  items: {from: orders, sql: "SELECT id, unnest(items) AS item FROM orders"}
)y");
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, R"({"id":"a","items":["x","y"]})");
  bench.source.put(0, R"({"id":"b","items":["z"]})");
  EXPECT_EQ(bench.ask("SELECT id, item, _offset, _row FROM items ORDER BY _offset, _row"),
            "a x 0 0 | a y 0 1 | b z 1 0");
}

TEST(Worker, RejectsTheOneRowThatMakesTheSqlFail) {
  WorkerBench bench(R"y(
pipeline: shop
sources:
  orders: {from: log, shards: 2, format: json, schema: {id: varchar, n: varchar}}
tables:
  numbers: {from: orders, sql: "SELECT id, CAST(n AS BIGINT) AS n FROM orders"}
)y");
  for (int i = 0; i < 50; ++i) {
    bench.source.put(0, R"({"id":"a","n":")" + (i == 33 ? "thirty" : std::to_string(i)) + "\"}");
  }
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT count(*), sum(n) FROM numbers"), "49 1192");
  EXPECT_EQ(bench.ask("SELECT stage, reason, _offset FROM _rejects"), "sql sql_failed 33");
}

}  // namespace
}  // namespace millrace::flow
