#include "batch/jobs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batch/test_bench.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

const char* const kDaily = R"(
jobs:
  daily:
    each: day
    sql: |
      SELECT customer, count(*) AS orders, sum(amount) AS total
      FROM orders WHERE day = $day GROUP BY ALL
    reconcile:
      - - SELECT sum(total) FROM daily WHERE day = $day
        - SELECT sum(amount) FROM orders WHERE day = $day
    retry: {attempts: 3, wait: 1ms}
)";

constexpr const char* kDailyRows = "SELECT * FROM daily ORDER BY ALL";

TEST(Jobs, RunsEachStalePartitionIntoAPartitionOfItsTable) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "10.50", "2026-11-19T12:00:00Z");
  bench.order("ann", "1.25", "2026-11-20T12:00:00Z");
  bench.order("bob", "2", "2026-11-20T13:00:00Z");
  auto jobs = bench.open();
  const auto runs = jobs->run("daily").value();
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].partition, "2026-11-19");
  EXPECT_EQ(runs[1].status, RunStatus::Succeeded);
  EXPECT_EQ(runs[1].rows, 2);
  EXPECT_EQ(bench.rows(kDailyRows),
            "2026-11-19|ann|1|10.50, 2026-11-20|ann|1|1.25, 2026-11-20|bob|1|2.00");
  EXPECT_EQ(bench.stream.commits, 1);
  EXPECT_EQ(bench.history(),
            "daily|2026-11-19|succeeded|manual, daily|2026-11-20|succeeded|manual");
  EXPECT_TRUE(jobs->run("daily").value().empty());
  EXPECT_THAT(bench.metrics.exposition(),
              HasSubstr("millrace_job_runs_total{job_name=\"daily\",status=\"succeeded\"} 2"));
  base::Metrics after_restart;
  auto parts = bench.parts();
  const lake::Tools tools{
      bench.disk, *bench.engine, bench.clock, bench.random, {bench.log, after_restart}};
  (void)Jobs::open({bench.pipeline, tools, bench.board, bench.stream, parts.folder, {}}).value();
  EXPECT_THAT(after_restart.exposition(),
              HasSubstr("millrace_job_last_success_timestamp_seconds{job_name=\"daily\"} 17"));
}

TEST(Jobs, LateDataMakesExactlyItsPartitionStaleAndCompactionNone) {
  JobsBench bench(shop(kDaily));
  for (const auto* day : {"2026-11-18", "2026-11-19", "2026-11-20"}) {
    for (int i = 0; i < 4; ++i) bench.order("ann", "1", std::string(day) + "T12:00:00Z");
  }
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 3U);
  ASSERT_EQ(lake::compact(*bench.orders).value().files_before, 12U);
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-18 fresh, 2026-11-19 fresh, 2026-11-20 fresh");
  bench.order("bob", "5", "2026-11-19T23:30:00Z");  // the 20th in Berlin
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-18 fresh, 2026-11-19 fresh, 2026-11-20 stale");
  const auto runs = jobs->run("daily").value();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].partition, "2026-11-20");
}

TEST(Jobs, RunningAPartitionAgainReplacesItAndIsHarmless) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  for (int i = 0; i < 3; ++i) {
    const auto runs = jobs->run("daily", "2026-11-20").value();
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_EQ(runs[0].status, RunStatus::Succeeded) << runs[0].error;
  }
  EXPECT_EQ(bench.rows(kDailyRows), "2026-11-20|ann|1|1.00");
  EXPECT_EQ(bench.board.table("daily")->snapshot()->files.size(), 1U);
}

TEST(Jobs, APartitionWhoseRowsAreGoneBecomesEmpty) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 1U);
  lake::Transaction drop{.operation = "DELETE"};
  for (const auto& [path, file] : bench.orders->snapshot()->files) {
    drop.removes.push_back({.path = path, .partition_values = file->partition_values});
  }
  ASSERT_TRUE(std::holds_alternative<lake::Committed>(bench.orders->commit(drop).value()));
  const auto runs = jobs->run("daily").value();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].status, RunStatus::Succeeded) << runs[0].error;
  EXPECT_EQ(runs[0].rows, 0);
  EXPECT_EQ(bench.rows(kDailyRows), "");
  EXPECT_TRUE(jobs->run("daily").value().empty());
}

TEST(Jobs, ChangedSqlMakesEveryPartitionStale) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  ASSERT_EQ(bench.open()->run("daily").value().size(), 2U);
  EXPECT_TRUE(bench.open()->run("daily").value().empty());
  auto other = bench.pipeline;
  auto& text = other.jobs[0].sql.text;
  text.replace(text.find("count(*)"), 8, "count(id)");
  auto parts = bench.parts();
  auto jobs = Jobs::open({other, parts.tools, bench.board, bench.stream, parts.folder, {}}).value();
  EXPECT_EQ(jobs->run("daily").value().size(), 2U);
}

TEST(Jobs, AReconcileThatFailsLeavesThePartitionAndRecordsTheRun) {
  JobsBench bench(shop(R"(
jobs:
  daily:
    each: day
    sql: |
      SELECT customer, sum(amount) AS total
      FROM orders WHERE day = $day AND customer <> 'cy' GROUP BY ALL
    reconcile:
      - - SELECT sum(total) FROM daily WHERE day = $day
        - SELECT sum(amount) FROM orders WHERE day = $day
)"));
  bench.order("ann", "10.50", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value()[0].status, RunStatus::Succeeded);
  bench.order("bob", "3", "2026-11-20T13:00:00Z");
  bench.order("cy", "0.01", "2026-11-20T13:00:00Z");
  const auto run = jobs->run("daily").value().at(0);
  EXPECT_EQ(run.status, RunStatus::Failed);
  EXPECT_EQ(run.attempt, 1);
  EXPECT_THAT(run.error, HasSubstr("shop.yaml:21:11: "));
  EXPECT_THAT(run.error, HasSubstr("reconcile: 13.50 is not 13.51"));
  EXPECT_EQ(bench.rows(kDailyRows), "2026-11-20|ann|10.50");
  EXPECT_EQ(bench.history(), "daily|2026-11-20|failed|manual, daily|2026-11-20|succeeded|manual");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-20 failed");
  std::size_t files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(bench.folder.path() / "tables" / "daily")) {
    files += entry.path().extension() == ".parquet" ? 1 : 0;
  }
  EXPECT_EQ(files, 1U);
}

TEST(Jobs, ReconcileSeesTheNewPartitionAmongTheOthers) {
  JobsBench bench(shop(R"(
jobs:
  daily:
    each: day
    sql: SELECT sum(amount) AS total FROM orders WHERE day = $day
    reconcile:
      - [SELECT sum(total) FROM daily, SELECT sum(amount) FROM orders WHERE day <= $day]
      - [SELECT max(total) FROM daily WHERE total > 1000, SELECT NULL]
)"));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("ann", "2", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  for (const auto& run : jobs->run("daily").value()) {
    EXPECT_EQ(run.status, RunStatus::Succeeded) << run.error;
  }
  EXPECT_EQ(jobs->run("daily", "2026-11-20").value().at(0).error, "");
}

TEST(Jobs, ASumBeyondADecimalFailsTheRunWithTheSqlsPlace) {
  JobsBench bench(shop(R"(
jobs:
  big:
    each: day
    sql: SELECT sum(CAST(repeat('9', 38) AS HUGEINT)) AS n FROM orders WHERE day = $day
)"));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  EXPECT_EQ(jobs->run("big").value().at(0).status, RunStatus::Succeeded);
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  const auto run = jobs->run("big").value().at(0);
  EXPECT_EQ(run.status, RunStatus::Failed);
  EXPECT_THAT(run.error, HasSubstr("shop.yaml:17:"));
}

TEST(Jobs, RetriesWhatMayPassAndThenSucceeds) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto other = bench.pipeline;
  other.jobs[0].retry.first_wait = 0us;
  auto parts = bench.parts();
  auto jobs = Jobs::open({other, parts.tools, bench.board, bench.stream, parts.folder, {}}).value();
  // The first sync of the run that is no part of its claim is that of its data file.
  bench.disk.fail({.call = os::DiskCall::SyncDirectory, .nth = 3, .code = base::Code::Unavailable});
  const auto run = jobs->run("daily").value().at(0);
  EXPECT_EQ(run.status, RunStatus::Succeeded) << run.error;
  EXPECT_EQ(run.attempt, 2);
  EXPECT_EQ(bench.rows("SELECT status, attempt FROM _runs"), "succeeded|2");
}

TEST(Jobs, AFailedRunLeavesThePartitionAsItWas) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto other = bench.pipeline;
  other.jobs[0].retry = {.attempts = 2, .first_wait = 0us};
  auto parts = bench.parts();
  auto jobs = Jobs::open({other, parts.tools, bench.board, bench.stream, parts.folder, {}}).value();
  ASSERT_EQ(jobs->run("daily").value().at(0).status, RunStatus::Succeeded);
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  const auto daily = bench.folder.path() / "tables" / "daily" / "day=2026-11-20";
  const auto away = bench.folder.path() / "away";
  std::filesystem::rename(daily, away);
  os::write_file(bench.real_disk, daily, "no folder").value();  // its data file cannot be written
  const auto run = jobs->run("daily").value().at(0);
  EXPECT_EQ(run.status, RunStatus::Failed);
  EXPECT_EQ(run.attempt, 2);
  std::filesystem::remove(daily);
  std::filesystem::rename(away, daily);
  EXPECT_EQ(bench.rows(kDailyRows), "2026-11-20|ann|1|1.00");
  EXPECT_EQ(jobs->run("daily").value().at(0).status, RunStatus::Succeeded);
  EXPECT_EQ(bench.rows(kDailyRows), "2026-11-20|ann|2|2.00");
}

TEST(Jobs, HoursAreThoseOfTheClockChangeToo) {
  const char* const hourly = R"(
jobs:
  hourly:
    each: hour
    sql: SELECT count(*) AS n FROM orders WHERE ts >= $hour AND ts < $hour + INTERVAL 1 HOUR
    reconcile:
      - - SELECT sum(n) FROM hourly WHERE hour = $hour
        - SELECT count(*) FROM orders WHERE time_bucket(INTERVAL 1 HOUR, ts) = $hour
)";
  JobsBench bench(shop(hourly), "2026-10-26T09:00:00Z", {});
  bench.order("ann", "1", "2026-10-24T23:59:59Z");
  bench.order("ann", "1", "2026-10-25T00:10:00Z");  // 02:10, the first
  bench.order("ann", "1", "2026-10-25T01:10:00Z");  // 02:10, the second
  bench.order("ann", "1", "2026-10-25T01:20:00Z");
  auto jobs = bench.open();
  for (const auto& run : jobs->run("hourly").value()) {
    EXPECT_EQ(run.status, RunStatus::Succeeded) << run.error;
  }
  EXPECT_EQ(bench.rows(
                "SELECT epoch(hour) - epoch(TIMESTAMPTZ '2026-10-25 00:00:00+00') AS after, n FROM "
                "hourly ORDER BY hour"),
            "-3600.0|1, 0.0|1, 3600.0|2");
  EXPECT_EQ(bench.states(*jobs, "hourly"),
            "2026-10-24T23:00Z fresh, 2026-10-25T00:00Z fresh, 2026-10-25T01:00Z fresh");
  bench.order("ann", "1", "2026-10-25T00:50:00Z");
  EXPECT_EQ(bench.states(*jobs, "hourly"),
            "2026-10-24T23:00Z fresh, 2026-10-25T00:00Z stale, 2026-10-25T01:00Z fresh");
  EXPECT_EQ(jobs->run("hourly").value().size(), 1U);
}

TEST(Jobs, ReadsOfOtherDaysMakeEveryDayStale) {
  JobsBench bench(shop(R"(
jobs:
  week:
    each: day
    sql: SELECT count(*) AS n FROM orders WHERE day > $day - 7 AND day <= $day
  told:
    each: day
    sql: SELECT count(*) AS n FROM orders WHERE day = $day
    reads: [orders]
)"));
  bench.order("ann", "1", "2026-11-18T12:00:00Z");
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  for (const auto* job : {"week", "told"}) {
    ASSERT_EQ(jobs->run(job).value().size(), 2U);
  }
  bench.order("ann", "1", "2026-11-18T12:00:00Z");
  for (const auto* job : {"week", "told"}) {
    EXPECT_EQ(bench.states(*jobs, job), "2026-11-18 stale, 2026-11-20 stale");
  }
}

TEST(Jobs, AHistoryThatWasCleanedMakesStale) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  ASSERT_EQ(bench.open()->run("daily").value().size(), 1U);
  bench.order("ann", "1", "2026-11-21T08:00:00Z");
  bench.orders->checkpoint().value();
  EXPECT_EQ(bench.states(*bench.open(), "daily"), "2026-11-20 fresh, 2026-11-21 filling");
  const auto log = bench.orders->root() / "_delta_log";
  std::filesystem::remove(log / "00000000000000000002.json");
  EXPECT_EQ(bench.states(*bench.open(), "daily"), "2026-11-20 stale, 2026-11-21 filling");
}

TEST(Jobs, WithoutEachTheWholeTableIsReplaced) {
  JobsBench bench(shop(
      R"(
jobs:
  everything:
    sql: SELECT customer, sum(amount) AS total FROM orders GROUP BY ALL
)"));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  EXPECT_EQ(jobs->run("everything").value().at(0).partition, "all");
  bench.order("bob", "2", "2026-11-20T12:00:00Z");
  EXPECT_EQ(bench.states(*jobs, "everything"), "all stale");
  EXPECT_EQ(jobs->run("everything").value().at(0).rows, 2);
  EXPECT_EQ(bench.rows("SELECT * FROM everything ORDER BY ALL"), "ann|1.00, bob|2.00");
  EXPECT_EQ(jobs->run("everything", "all").value().at(0).status, RunStatus::Succeeded);
  EXPECT_THAT(jobs->run("everything", "2026-11-20").error().text(), HasSubstr("only `all`"));
  EXPECT_EQ(jobs->backfill("everything", "2026-11-20", "2026-11-20").error().code,
            base::Code::Invalid);
}

TEST(Jobs, BackfillRunsWhatIsStaleAndSkipsTheRest) {
  JobsBench bench(shop(kDaily));
  for (const auto* day : {"2026-11-18", "2026-11-19", "2026-11-20"}) {
    bench.order("ann", "1", std::string(day) + "T12:00:00Z");
  }
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily", "2026-11-19").value().size(), 1U);
  const auto text = [](const std::vector<RunRow>& runs) {
    std::string all;
    for (const auto& run : runs)
      all += run.partition.substr(8) + std::string(name_of(run.status)) + " ";
    return all;
  };
  EXPECT_EQ(text(jobs->backfill("daily", "2026-11-17", "2026-11-19", Jobs::DryRun::Yes).value()),
            "17planned 18planned 19skipped ");
  EXPECT_EQ(text(jobs->backfill("daily", "2026-11-17", "2026-11-19").value()),
            "17succeeded 18succeeded 19skipped ");
  EXPECT_EQ(bench.rows("SELECT DISTINCT day FROM daily ORDER BY ALL"), "2026-11-18, 2026-11-19");
}

TEST(Jobs, SaysWhatIsWrongWithARequest) {
  JobsBench bench(shop(kDaily));
  auto jobs = bench.open();
  EXPECT_EQ(jobs->run("dayly").error().text(), "there is no job 'dayly'; did you mean 'daily'?");
  EXPECT_THAT(jobs->run("daily", "last week").error().text(), HasSubstr("is not a day like"));
  EXPECT_EQ(jobs->backfill("daily", "2026-11-20", "2026-11-01").error().code, base::Code::Invalid);
  EXPECT_EQ(bench.stream.commits, 0);
}

TEST(Jobs, ReadAnotherJobsTable) {
  JobsBench bench(shop(std::string(kDaily) + R"(
  monthly:
    sql: |
      SELECT CAST(date_trunc('month', day) AS DATE) AS month, sum(total) AS total
      FROM daily GROUP BY ALL
)"));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 1U);
  ASSERT_EQ(jobs->run("monthly").value().at(0).status, RunStatus::Succeeded);
  EXPECT_EQ(bench.rows("SELECT * FROM monthly"), "2026-11-01|1.00");
  EXPECT_EQ(bench.states(*jobs, "monthly"), "all fresh");
  bench.order("ann", "2", "2026-11-20T12:00:00Z");
  EXPECT_EQ(bench.states(*jobs, "monthly"), "all fresh");
  ASSERT_EQ(jobs->run("daily").value().size(), 1U);
  EXPECT_EQ(bench.states(*jobs, "monthly"), "all stale");
}

}  // namespace
}  // namespace millrace::batch
