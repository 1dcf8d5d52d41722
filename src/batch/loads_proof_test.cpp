#include <gmock/gmock.h>

#include "batch/jobs.hpp"
#include "batch/maintenance.hpp"
#include "batch/test_loads.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

class LoadsProofTest : public LoadsTest {};

TEST_P(LoadsProofTest, TheProofFindsEachRowThatIsNotWhatTheLakeHas) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("bob", "2", "2026-11-20T12:00:00Z");
  bench.order("cid", "3", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  EXPECT_EQ(jobs->prove("daily", "2026-11-20").error().code, base::Code::NotFound);
  ASSERT_EQ(jobs->run("daily").value().size(), 4U);
  EXPECT_EQ(bench.rows("SELECT \"check\", kind, outcome FROM _checks"),
            "warehouse|proof|passed, warehouse|proof|passed");
  const auto wrong = [&](const std::string& sql) {
    tamper(sql);
    bench.clock.advance(1s);
    const auto row = jobs->prove("daily").value();
    EXPECT_EQ(row.status, RunStatus::Failed);
    EXPECT_EQ(row.partition, "all");
    const auto unproven = jobs->list().value()[0].load->unproven;
    EXPECT_EQ(unproven.size(), 1U);
    EXPECT_EQ(row.error, "1 partition differs: 2026-11-20: " + unproven.at("2026-11-20"));
    EXPECT_EQ(bench.open()->list().value()[0].load->unproven.size(), 1U) << "after a restart";
    bench.clock.advance(1s);
    const auto again = jobs->load("daily", "2026-11-20").value();
    EXPECT_EQ(again[0].status, RunStatus::Succeeded) << again[0].error;
    EXPECT_TRUE(jobs->list().value()[0].load->unproven.empty());
    EXPECT_EQ(jobs->prove("daily", "2026-11-20").value().status, RunStatus::Succeeded);
    return unproven.at("2026-11-20");
  };
  EXPECT_THAT(wrong("UPDATE sales.daily SET total = 4 WHERE customer = 'bob'"),
              HasSubstr("sum(\"total\") is 7.00 in the warehouse and 5.00 in the lake"));
  EXPECT_THAT(wrong("DELETE FROM sales.daily WHERE customer = 'bob'"),
              HasSubstr("count(*) is 1 in the warehouse and 2 in the lake"));
  EXPECT_THAT(wrong("INSERT INTO sales.daily SELECT * FROM sales.daily WHERE customer = 'bob'"),
              HasSubstr("count(*) is 3 in the warehouse and 2 in the lake"));
  EXPECT_THAT(wrong("UPDATE sales.daily SET customer = 'bop' WHERE customer = 'bob'"),
              testing::StartsWith("checksum is "));
  EXPECT_THAT(
      wrong("UPDATE sales.daily SET total = 5 - total, orders = 1 WHERE customer IN ('bob', "
            "'cid')"),
      testing::StartsWith("checksum is "))
      << "swapped values: counts and sums are the same";
  tamper("DROP TABLE sales.daily");
  EXPECT_THAT(jobs->prove("daily", "2026-11-20").value().error, HasSubstr("does not exist"));
  EXPECT_THAT(jobs->prove("daily").value().error, testing::StartsWith("2 partitions differ: "));
  EXPECT_THAT(bench.metrics.exposition(), HasSubstr("millrace_job_checks_total{check=\"warehouse\","
                                                    "job_name=\"daily\",outcome=\"failed\"} 8"));
}

TEST_P(LoadsProofTest, TheProofFindsAFileThatTheLakeLost) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().back().status, RunStatus::Succeeded);
  for (const auto& file : std::filesystem::recursive_directory_iterator(
           bench.folder.path() / "tables" / "daily" / "day=2026-11-20")) {
    std::filesystem::remove(file);
  }
  const auto row = jobs->prove("daily").value();
  EXPECT_EQ(row.status, RunStatus::Failed);
  EXPECT_THAT(row.error,
              testing::StartsWith("1 partition differs: 2026-11-20: the lake cannot be read"));
}

TEST_P(LoadsProofTest, TheProofKnowsPartitionsOfEveryKind) {
  for (const auto* each : {"each: hour", ""}) {
    auto text = pipeline(kColumns);
    text.replace(text.find("each: day"), 9, each);
    const std::string condition = "day = $day";
    text.replace(text.find(condition), condition.size(),
                 *each ? "ts >= $hour AND ts < $hour + INTERVAL 1 HOUR" : "true");
    const std::string table = *each ? "sales.hourly" : "sales.whole";
    text.replace(text.find("sales.daily"), 11, table);
    JobsBench bench(text);
    bench.order("ann", "1", "1969-12-31T22:30:00Z");
    bench.order("bob", "2", "2026-10-25T00:30:00Z");  // the clock shows both as 02:30
    bench.order("bob", "2", "2026-10-25T01:30:00Z");
    auto jobs = bench.open();
    ASSERT_EQ(jobs->run("daily").value().back().status, RunStatus::Succeeded);
    const auto good = jobs->prove("daily").value();
    EXPECT_EQ(good.error, "");
    EXPECT_EQ(good.rows, *each ? 3 : 2);
    tamper("UPDATE " + table + " SET total = 9 WHERE customer = 'bob'");
    const auto bad = jobs->prove("daily").value();
    EXPECT_THAT(bad.error, testing::StartsWith(*each ? "2 partitions differ: 2026-10-25T00:00Z: "
                                                     : "1 partition differs: all: "));
    EXPECT_EQ(jobs->list().value()[0].load->unproven.size(), *each ? 2U : 1U);
  }
}

TEST_P(LoadsProofTest, TheProofIsMadeEachNight) {
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("bob", "2", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 4U);
  const auto maintenance = Maintenance::open({.pipeline = bench.pipeline,
                                              .tools = bench.tools(),
                                              .board = bench.board,
                                              .runs = jobs->runs_table(),
                                              .incarnations = {{"raw", "life"}},
                                              .jobs = jobs.get()})
                               .value();
  const auto proofs = [&] {
    return bench.rows(
        "SELECT \"partition\", status, \"trigger\", rows FROM _runs "
        "WHERE job = 'daily@reporting:proof' ORDER BY started_at");
  };
  maintenance->run_due();
  EXPECT_EQ(proofs(), "");
  bench.clock.advance(24h);
  maintenance->run_due();
  maintenance->run_due();
  EXPECT_EQ(proofs(), "all|succeeded|schedule|2");
  tamper("DELETE FROM sales.daily WHERE customer = 'ann'");
  bench.clock.advance(24h);
  maintenance->run_due();
  EXPECT_THAT(proofs(), HasSubstr("all|failed|schedule"));
  EXPECT_THAT(jobs->list().value()[0].load->unproven.at("2026-11-19"),
              HasSubstr("count(*) is 0 in the warehouse and 1 in the lake"));
  EXPECT_EQ(maintenance->run_all().value().back().job, "maintenance@_runs");
  // Who maintains the table proves it too.
  const auto before = proofs();
  bench.clock.advance(24h);
  const auto claim =
      jobs->runs_table().claim({.run_id = "other", .job = "maintenance@daily", .partition = "all"},
                               [](const Claim&) { return std::optional<std::int64_t>(); });
  ASSERT_TRUE(claim);
  maintenance->run_due();
  EXPECT_EQ(proofs(), before);
}

// The table is a view here that another load overtakes whenever it is looked at.
TEST_P(LoadsProofTest, WhatIsLoadedMeanwhileIsNotJudged) {
  if (!is_postgres()) GTEST_SKIP() << "a DuckDB file is open to one process at a time";
  JobsBench bench(pipeline(kColumns));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("bob", "2", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().back().error, "");
  tamper("ALTER TABLE sales.daily RENAME TO rows");
  tamper(
      "CREATE FUNCTION sales.overtake() RETURNS numeric VOLATILE LANGUAGE sql AS "
      "'UPDATE sales.millrace_loads SET mark = mark + 1 WHERE partition = ''2026-11-20'' "
      "RETURNING CAST(mark AS numeric)'");
  tamper(
      "CREATE VIEW sales.daily AS SELECT day, customer, orders, CASE WHEN day = '2026-11-20' THEN "
      "sales.overtake() ELSE total END AS total FROM sales.rows");
  EXPECT_EQ(jobs->prove("daily").value().error, "");
  // The other partition is judged all the same.
  tamper("UPDATE sales.rows SET total = 9 WHERE customer = 'ann'");
  EXPECT_THAT(jobs->prove("daily").value().error,
              testing::StartsWith("1 partition differs: 2026-11-19: "));
}

INSTANTIATE_TEST_SUITE_P(Warehouses, LoadsProofTest, testing::Values(Kind::DuckDb, Kind::Postgres),
                         [](const auto& kind) {
                           return kind.param == Kind::DuckDb ? "DuckDb" : "Postgres";
                         });

}  // namespace
}  // namespace millrace::batch
