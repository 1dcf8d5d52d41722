#include <gmock/gmock.h>

#include <thread>

#include "batch/jobs.hpp"
#include "batch/test_loads.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

TEST_P(LoadsTest, EachRunIsLoadedAndReplacesItsPartition) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "10.50", "2026-11-19T12:00:00Z");
  bench.order("bob", "2", "2026-11-20T13:00:00Z");
  auto jobs = bench.open();
  const auto rows = jobs->run("daily").value();
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[2].job, "daily@reporting");
  EXPECT_EQ(rows[2].status, RunStatus::Succeeded) << rows[2].error;
  EXPECT_EQ(rows[2].rows, 1);
  EXPECT_EQ(ask(kAll), "2026-11-19|ann|1|10.50, 2026-11-20|bob|1|2.00");
  bench.order("bob", "3", "2026-11-20T14:00:00Z");
  ASSERT_EQ(jobs->run("daily").value().size(), 2U);
  EXPECT_EQ(ask(kAll), "2026-11-19|ann|1|10.50, 2026-11-20|bob|2|5.00");
  EXPECT_EQ(ask_whole("SELECT count(*) FROM sales.millrace_loads WHERE pipeline = 'shop'"), "2");
  EXPECT_EQ(bench.history(),
            "daily|2026-11-19|succeeded|manual, daily|2026-11-20|succeeded|manual, "
            "daily|2026-11-20|succeeded|manual, daily@reporting|2026-11-19|succeeded|manual, "
            "daily@reporting|2026-11-20|succeeded|manual, "
            "daily@reporting|2026-11-20|succeeded|manual");
}

TEST_P(LoadsTest, WhatTheLedgerHasIsNotLoadedAgainUnlessAskedFor) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  ASSERT_EQ(bench.open()->run("daily").value().size(), 2U);
  auto jobs = bench.open();  // as after a restart
  EXPECT_TRUE(jobs->load("daily").value().empty());
  ask_whole(is_postgres() ? "DELETE FROM sales.daily" : "SELECT 1");
  const auto again = jobs->load("daily", "2026-11-20").value();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].rows, 1);
  EXPECT_EQ(ask(kAll), "2026-11-20|ann|1|1.00");
  EXPECT_EQ(jobs->load("daily", "2026-11-01").error().code, base::Code::NotFound);
}

TEST_P(LoadsTest, ATableThatWasMadeAnewIsLoadedAnew) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  for (int i = 0; i < 3; ++i) ASSERT_EQ(bench.open()->run("daily", "2026-11-20")->size(), 2U);
  std::filesystem::remove_all(bench.folder.path() / "tables" / "daily");
  bench.order("ann", "2", "2026-11-20T12:00:00Z");
  const auto rows = bench.open()->run("daily").value();  // its marks begin at one again
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(ask(kAll), "2026-11-20|ann|2|3.00");
}

// Also while it runs: who asks by hand may have changed something, and the next load finds it.
TEST_P(LoadsTest, ATableThatIsDroppedThereIsLoadedAnew) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("bob", "2", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 4U);
  tamper("DROP TABLE sales.daily");
  EXPECT_EQ(jobs->load("daily").value().size(), 2U);
  EXPECT_EQ(ask(kAll), "2026-11-19|ann|1|1.00, 2026-11-20|bob|1|2.00");
  tamper("DROP TABLE sales.daily");
  ASSERT_EQ(jobs->load("daily", "2026-11-20").value().size(), 1U);
  EXPECT_EQ(jobs->load("daily").value().size(), 1U) << "the other day's rows went with the table";
  EXPECT_EQ(ask(kAll), "2026-11-19|ann|1|1.00, 2026-11-20|bob|1|2.00");
}

TEST_P(LoadsTest, KeepsEveryTypeOfTheLake) {
  JobsBench bench(
      pipeline("replace(customer, 'a', '\"') AS customer, CAST(1 AS TINYINT) AS a, CAST(-2 AS "
               "SMALLINT) AS b, CAST(3 AS INTEGER) AS c, "
               "CAST(4 AS BIGINT) AS d, CAST(1.5 AS FLOAT) AS e, CAST(0.1 AS DOUBLE) AS f, "
               "CAST('12345678901234567890123456.789012345678' AS DECIMAL(38,12)) AS g, true AS h, "
               "DATE '1969-12-31' AS i, TIMESTAMPTZ '1969-12-31T23:59:59.5Z' AS j, [1, 2] AS k, "
               "{x: customer, y: CAST('12345678901234567890.10' AS DECIMAL(38,2))} AS l, CAST(NULL "
               "AS VARCHAR) AS m, CAST('{\"q\": [1]}' AS JSON) AS n"));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  const auto rows = bench.open()->run("daily").value();
  ASSERT_EQ(rows.size(), 2U);
  ASSERT_EQ(rows[1].status, RunStatus::Succeeded) << rows[1].error;
  EXPECT_EQ(ask("customer, a, b, c, d, e, f, g, h, i, m IS NULL"),
            std::string("\"nn|1|-2|3|4|1.5|0.1|12345678901234567890123456.789012345678|") +
                (is_postgres() ? "t|1969-12-31|t" : "true|1969-12-31|true"));
  EXPECT_EQ(ask("extract(epoch FROM j) * 10"), is_postgres() ? "-5.000000" : "-5.0");
  EXPECT_EQ(ask(is_postgres() ? "pg_typeof(n), n ->> 'q'" : "typeof(n), n ->> 'q'"),
            is_postgres() ? "jsonb|[1]" : "JSON|[1]");
  if (!is_postgres()) return;
  EXPECT_EQ(ask("k, l"), "[1, 2]|{\"x\": \"ann\", \"y\": 12345678901234567890.10}");
}

TEST_P(LoadsTest, ATextThatIsThereTakesJson) {
  for (const std::string type : {"VARCHAR", "JSON"}) {
    JobsBench bench(pipeline("CAST('{\"q\": 1}' AS " + type + ") AS customer"));
    bench.order("ann", "1", "2026-11-20T12:00:00Z");
    EXPECT_EQ(bench.open()->run("daily").value().back().error, "");
    EXPECT_EQ(ask("customer"), "{\"q\": 1}");
  }
}

TEST_P(LoadsTest, ColumnsAreAddedAndWidened) {
  {
    JobsBench bench(pipeline("customer, CAST(count(*) AS INTEGER) AS orders"));
    bench.order("ann", "1", "2026-11-20T12:00:00Z");
    ASSERT_EQ(bench.open()->run("daily").value().back().status, RunStatus::Succeeded);
  }
  JobsBench bench(pipeline(kColumns));  // another data folder, the same warehouse
  bench.order("bob", "2", "2026-11-21T12:00:00Z");
  const auto rows = bench.open()->run("daily").value();
  ASSERT_EQ(rows.back().status, RunStatus::Succeeded) << rows.back().error;
  EXPECT_EQ(ask(kAll), "2026-11-20|ann|1, 2026-11-21|bob|1|2.00");
}

TEST_P(LoadsTest, WhatWouldLoseSomethingIsRefusedWithTheMend) {
  {
    JobsBench bench(pipeline("customer, count(*) AS orders"));
    bench.order("ann", "1", "2026-11-20T12:00:00Z");
    ASSERT_EQ(bench.open()->run("daily").value().back().status, RunStatus::Succeeded);
  }
  JobsBench bench(pipeline("customer, CAST(count(*) AS VARCHAR) AS orders"));
  bench.order("bob", "2", "2026-11-21T12:00:00Z");
  const auto rows = bench.open()->run("daily").value();
  EXPECT_EQ(rows.back().status, RunStatus::Failed);
  EXPECT_EQ(rows.back().attempt, 1);
  EXPECT_THAT(rows.back().error, HasSubstr("column 'orders'"));
  EXPECT_THAT(rows.back().error, HasSubstr("drop the table there"));
  EXPECT_EQ(ask("day, customer, orders"), "2026-11-20|ann|1");
}

TEST_P(LoadsTest, ANameThatPostgresWouldCutIsRefusedWithTheMend) {
  if (!is_postgres()) GTEST_SKIP() << "DuckDB's names have any length";
  JobsBench bench(pipeline("customer, count(*) AS " + std::string(64, 'n')));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  const auto rows = bench.open()->run("daily").value();
  EXPECT_EQ(rows.back().status, RunStatus::Failed);
  EXPECT_THAT(rows.back().error, HasSubstr("has a name of 64 bytes; PostgreSQL's have 63 at most"));
}

INSTANTIATE_TEST_SUITE_P(Warehouses, LoadsTest, testing::Values(Kind::DuckDb, Kind::Postgres),
                         [](const auto& kind) {
                           return kind.param == Kind::DuckDb ? "DuckDb" : "Postgres";
                         });

class PostgresLoadsTest : public LoadsTest {};

TEST_P(PostgresLoadsTest, AValueThatDoesNotFitFailsTheLoadAndNothingElse) {
  server_->query("CREATE SCHEMA sales").value();
  server_->query("CREATE TABLE sales.daily (day date, customer varchar(3) NOT NULL)").value();
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("barbara", "2", "2026-11-20T12:00:00Z");
  bench.order("cid", "3", "2026-11-21T06:00:00Z");
  auto jobs = bench.open();
  const auto rows = jobs->run("daily").value();
  ASSERT_EQ(rows.size(), 6U);
  EXPECT_EQ(rows[4].status, RunStatus::Failed);
  EXPECT_THAT(rows[4].error, HasSubstr("value too long for type character varying(3)"));
  EXPECT_THAT(rows[4].error, HasSubstr("column customer"));
  EXPECT_EQ(ask(kAll), "2026-11-19|ann|1|1.00, 2026-11-21|cid|1|3.00");
  const auto status = jobs->list().value()[0];
  EXPECT_EQ(status.load->error, rows[4].error);
  server_->query("ALTER TABLE sales.daily ALTER COLUMN customer TYPE text").value();
  ASSERT_EQ(jobs->load("daily").value().size(), 1U);
  EXPECT_EQ(ask("day"), "2026-11-19, 2026-11-20, 2026-11-21");
  EXPECT_TRUE(jobs->list().value()[0].load->waiting.empty());
}

TEST_P(PostgresLoadsTest, ANullInAKeyIsTheWarehousesError) {
  server_->query("CREATE SCHEMA sales").value();
  server_->query("CREATE TABLE sales.daily (day date, customer text PRIMARY KEY)").value();
  JobsBench bench(pipeline("nullif(customer, 'ann') AS customer, count(*) AS orders"));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  const auto rows = bench.open()->run("daily").value();
  EXPECT_EQ(rows.back().status, RunStatus::Failed);
  EXPECT_THAT(rows.back().error, HasSubstr("null value in column \"customer\""));
}

TEST_P(PostgresLoadsTest, RowsThatTheWarehouseChangesAreNotLoaded) {
  server_->query("CREATE SCHEMA sales").value();
  server_->query("CREATE TABLE sales.daily (day date, customer text)").value();
  server_
      ->query(
          "CREATE FUNCTION sales.skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF "
          "NEW.customer = 'bob' THEN RETURN NULL; END IF; RETURN NEW; END$$")
      .value();
  server_
      ->query(
          "CREATE TRIGGER skip BEFORE INSERT ON sales.daily FOR EACH ROW EXECUTE FUNCTION "
          "sales.skip()")
      .value();
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  bench.order("bob", "1", "2026-11-20T12:00:00Z");
  const auto rows = bench.open()->run("daily").value();
  EXPECT_EQ(rows.back().status, RunStatus::Failed);
  EXPECT_THAT(rows.back().error, HasSubstr("is 1 in the warehouse and 2 in the lake"));
  EXPECT_EQ(ask(kAll), "");
}

TEST_P(PostgresLoadsTest, TwoLoadsOfAPartitionAtOnceAreOne) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().back().status, RunStatus::Succeeded);
  const auto snapshot = bench.board.table("daily")->snapshot();
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  const auto zone = config::TimeZone::find("Europe/Berlin").value();
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto warehouse = make_postgres_warehouse(*postgres::test_server(), *bench.engine);
      const LoadTarget target{"shop", "sales.daily", snapshot->metadata->schema, "day"};
      const PartitionLoad load{
          .partition = parse_partition(config::Each::Day, "2026-11-20", zone).value(),
          .mark = {snapshot->metadata->id, std::int64_t{9} << 32},
          .run_id = "r",
          .select = lake::scan_sql(bench.board.table("daily")->root(), *snapshot)};
      good += warehouse->load(target, load, {}).value() == 1 ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(ask(kAll), "2026-11-20|ann|1|1.00");
}

INSTANTIATE_TEST_SUITE_P(Warehouses, PostgresLoadsTest, testing::Values(Kind::Postgres),
                         [](const auto&) { return "Postgres"; });

// Nobody asks for it: its thread tries again.
TEST(Loads, AWarehouseThatComesBackGetsWhatItMissedOldestFirst) {
  const os::TestFolder folder;
  const auto place = folder.path() / "later";
  JobsBench bench(
      shop("warehouses: {reporting: {kind: duckdb, path: " + (place / "reporting.duckdb").string() +
           "}}\njobs:\n  daily:\n    each: day\n"
           "    sql: SELECT count(*) AS n FROM orders WHERE day = $day\n"
           "    load: reporting\n    retry: {attempts: 1}\n"));
  for (const auto* day : {"2026-11-20", "2026-11-18", "2026-11-19"}) {
    bench.order("ann", "1", std::string(day) + "T12:00:00Z");
  }
  auto jobs = bench.open();
  EXPECT_EQ(jobs->run("daily").value().back().status, RunStatus::Failed);
  std::filesystem::create_directory(place);
  jobs->start();
  bench.clock.advance(4min);
  std::this_thread::sleep_for(1500ms);  // its thread has looked once more
  EXPECT_FALSE(std::filesystem::exists(place / "reporting.duckdb")) << "not before 5 minutes";
  bench.clock.advance(2min);
  for (int i = 0; i < 2000 && !jobs->list().value()[0].load->waiting.empty(); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  jobs->stop();
  auto other = sql::Instance::open({.threads = 1}).value();
  auto connection = other->connect().value();
  connection.run("ATTACH '" + (place / "reporting.duckdb").string() + "' AS w").value();
  EXPECT_EQ(connection
                .scalar("SELECT string_agg(\"partition\", ' ' ORDER BY loaded_at) "
                        "FROM w.millrace_loads")
                .value(),
            "2026-11-18 2026-11-19 2026-11-20");
}

TEST(Loads, AWarehouseThatIsDownDelaysNoJob) {
  JobsBench bench(
      shop("warehouses: {reporting: {kind: postgres, url: 'postgres://127.0.0.1:1/x'}}\n"
           "jobs:\n  daily:\n    each: day\n"
           "    sql: SELECT count(*) AS n FROM orders WHERE day = $day\n"
           "    load: reporting\n    retry: {attempts: 2, wait: 0s}\n"));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  const auto rows = jobs->run("daily").value();
  ASSERT_EQ(rows.size(), 3U) << "two runs, and one load: the other would fail alike";
  EXPECT_EQ(rows[1].status, RunStatus::Succeeded);
  EXPECT_EQ(rows[2].status, RunStatus::Failed);
  EXPECT_EQ(rows[2].attempt, 2);
  EXPECT_THAT(rows[2].error, HasSubstr("127.0.0.1:1/x"));
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-19 fresh, 2026-11-20 fresh");
  const auto load = jobs->list().value()[0].load;
  EXPECT_THAT(load->error, HasSubstr("Connection refused"));
  EXPECT_THAT(load->error, testing::Not(HasSubstr("\\x")));
  EXPECT_EQ(load->waiting.size(), 2U);
  EXPECT_THAT(bench.metrics.exposition(),
              HasSubstr("millrace_loads_waiting{load=\"daily@reporting\"} 2"));
}

}  // namespace
}  // namespace millrace::batch
