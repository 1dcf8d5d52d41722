#include "batch/maintenance.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "batch/test_bench.hpp"
#include "lake/retention.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

// Jobs and tables whose old rows go.
std::string shop_that_keeps(const std::string& orders_keep, const std::string& daily_keep = "") {
  auto text = shop(R"(
jobs:
  daily:
    at: "0 1 * * *"
    each: day
    sql: |
      SELECT customer, count(*) AS orders, sum(amount) AS total
      FROM orders WHERE day = $day GROUP BY ALL
)" + (daily_keep.empty() ? "" : "    keep: " + daily_keep + "\n"));
  const std::string at = "    partition_by: [day]\n";
  text.insert(text.find(at), "    keep: " + orders_keep + "\n");
  return text;
}

std::unique_ptr<Maintenance> open(JobsBench& bench, Jobs& jobs) {
  return Maintenance::open({.pipeline = bench.pipeline,
                            .tools = bench.tools(),
                            .board = bench.board,
                            .runs = jobs.runs_table(),
                            .incarnations = {{"raw", "life"}},
                            .poll = 2ms})
      .value();
}

const char* const kTotals = "SELECT day, sum(total) AS total FROM daily GROUP BY ALL ORDER BY ALL";

void order_days(JobsBench& bench) {
  for (const auto* day : {"2026-11-18", "2026-11-19", "2026-11-20"}) {
    for (int i = 0; i < 4; ++i) bench.order("ann", "1", std::string(day) + "T12:00:00Z");
  }
}

TEST(Maintenance, RemovesOldRowsAndMakesLargeFilesOfSmallOnes) {
  JobsBench bench(shop_that_keeps("1d"));
  order_days(bench);
  auto jobs = bench.open();
  auto maintenance = open(bench, *jobs);
  const auto runs = maintenance->run("orders").value();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].job, "maintenance@orders");
  EXPECT_EQ(runs[0].status, RunStatus::Succeeded) << runs[0].error;
  EXPECT_EQ(runs[0].rows, 8);  // it is the 21st: the 20th is younger than a day at its end
  EXPECT_EQ(bench.rows("SELECT day, count(*) FROM orders GROUP BY ALL"), "2026-11-20|4");
  EXPECT_EQ(bench.orders->snapshot()->files.size(), 1U);
  EXPECT_EQ(bench.history(), "maintenance@orders|all|succeeded|manual");
  EXPECT_EQ(jobs->runs({.job = "maintenance@orders"}).value().size(), 1U);
  EXPECT_THAT(bench.metrics.exposition(),
              HasSubstr("millrace_rows_removed_total{table=\"orders\"} 8"));
  EXPECT_EQ(maintenance->run("order").error().message,
            "no table is named 'order'; did you mean 'orders'?");
  // All tables, the pipeline's own last, and nothing is left to do.
  std::string names;
  for (const auto& run : maintenance->run({}).value()) {
    names += run.job + " ";
    EXPECT_EQ(run.status, RunStatus::Succeeded) << run.error;
  }
  EXPECT_EQ(names, "maintenance@daily maintenance@orders maintenance@_checks maintenance@_runs ");
}

// The totals of a year must not become nothing because its raw rows are no longer kept.
TEST(Maintenance, LeavesWhatWasComputedOfRemovedRows) {
  JobsBench bench(shop_that_keeps("1d"));
  order_days(bench);
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 3U);
  const auto totals = bench.rows(kTotals);
  EXPECT_EQ(totals, "2026-11-18|4.00, 2026-11-19|4.00, 2026-11-20|4.00");
  ASSERT_EQ(open(bench, *jobs)->run("orders").value()[0].rows, 8);
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-18 final, 2026-11-19 final, 2026-11-20 fresh");
  EXPECT_TRUE(jobs->run("daily").value().empty());
  bench.clock.advance(24h);
  jobs->run_due();
  EXPECT_EQ(bench.rows(kTotals), totals);
  // Not even on demand, nor after a restart, nor once the log has forgotten how it came.
  const auto refused = jobs->run("daily", "2026-11-18");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("2026-11-18 of 'daily' is final"));
  const auto filled = jobs->backfill("daily", "2026-11-18", "2026-11-20").value();
  ASSERT_EQ(filled.size(), 3U);
  EXPECT_EQ(filled[0].status, RunStatus::Skipped);
  EXPECT_THAT(filled[0].error, HasSubstr("no longer kept"));
  jobs.reset();
  bench.orders->checkpoint().value();
  bench.clock.advance(24h * 60);
  for (int i = 0; i < 20; ++i) bench.order("bob", "1", "2027-01-20T12:00:00Z");
  bench.orders->maintain(bench.orders->snapshot()->version, lake::Table::When::Now).value();
  jobs = bench.open();
  jobs->run_due();
  ASSERT_TRUE(jobs->run("daily"));
  EXPECT_THAT(bench.rows(kTotals), HasSubstr(totals));
}

// Without the commit's mark the same removal is a change.
TEST(Maintenance, IsTheOnlyRemovalThatIsNoChange) {
  JobsBench bench(shop_that_keeps("1d"));
  order_days(bench);
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 3U);
  lake::Transaction change{.operation = "DELETE"};
  for (const auto& [path, file] : bench.orders->snapshot()->files) {
    if (file->partition_values.at("day") != "2026-11-18") continue;
    change.removes.push_back({.path = path, .partition_values = file->partition_values});
  }
  ASSERT_TRUE(bench.orders->commit(change));
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-18 stale, 2026-11-19 fresh, 2026-11-20 fresh");
}

TEST(Maintenance, RemovesOldPartitionsOfAJobForGood) {
  JobsBench bench(shop_that_keeps("3660d", "1d"));
  order_days(bench);
  auto jobs = bench.open();
  ASSERT_EQ(jobs->run("daily").value().size(), 3U);
  ASSERT_EQ(open(bench, *jobs)->run("daily").value()[0].rows, 2);
  EXPECT_EQ(bench.rows(kTotals), "2026-11-20|4.00");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-20 fresh");
  bench.order("ann", "1", "2026-11-18T12:00:00Z");  // late
  bench.clock.advance(24h);
  jobs->run_due();
  EXPECT_TRUE(jobs->run("daily").value().empty());
  EXPECT_FALSE(jobs->run("daily", "2026-11-18"));
  EXPECT_EQ(bench.rows(kTotals), "2026-11-20|4.00");
}

TEST(Maintenance, GoesByTheEventTimeWhereNoPartitionIsADay) {
  JobsBench bench(shop_that_keeps("1d"), "2026-11-21T09:00:00Z", {});
  order_days(bench);
  auto jobs = bench.open();
  EXPECT_EQ(open(bench, *jobs)->run("orders").value()[0].rows, 8);
  EXPECT_EQ(bench.rows("SELECT day, count(*) FROM orders GROUP BY ALL"), "2026-11-20|4");
}

TEST(Maintenance, RunsAtItsTimeOnceAndCatchesUpOnceWithWhatItMissed) {
  JobsBench bench(shop_that_keeps("400d"), "2026-11-21T09:00:00Z");
  order_days(bench);
  auto jobs = bench.open();
  auto maintenance = open(bench, *jobs);
  const auto count = [&] {
    return jobs->runs({.job = "maintenance@orders", .limit = 1000}).value().size();
  };
  maintenance->run_due();
  EXPECT_EQ(count(), 0U);
  bench.clock.advance(18h);  // 04:00 on the 22nd in Berlin
  maintenance->run_due();
  maintenance->run_due();
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(jobs->runs({.job = "maintenance@orders"}).value()[0].trigger, Trigger::Schedule);
  EXPECT_EQ(bench.orders->snapshot()->files.size(), 3U);
  bench.clock.advance(24h * 5);
  maintenance = open(bench, *jobs);  // it was down for days
  maintenance->run_due();
  maintenance->run_due();
  EXPECT_EQ(count(), 2U);
  const auto status = maintenance->status().value();
  EXPECT_EQ(status.at, "30 3 * * *");
  EXPECT_EQ(base::format_time(*status.next_run_at), "2026-11-28T02:30:00.000000Z");
  ASSERT_EQ(status.tables.size(), 4U);
  EXPECT_EQ(status.tables[1].table, "orders");
  EXPECT_EQ(status.tables[1].keep, 24h * 400);
  EXPECT_EQ(status.tables[1].last_run->status, RunStatus::Succeeded);
}

TEST(Maintenance, BeginsTheSchedulesOfAllTablesInOneCommit) {
  JobsBench bench(shop_that_keeps("1d"));
  auto jobs = bench.open();
  auto& runs = jobs->runs_table();
  const auto before = runs.table().snapshot()->version.value();
  auto maintenance = open(bench, *jobs);
  maintenance->run_due();
  EXPECT_EQ(runs.table().snapshot()->version.value(), before + 1);
  for (const auto* table : {"orders", "daily", "_runs", "_checks"}) {
    EXPECT_EQ(runs.scheduled_until(Maintenance::run_name(table)), bench.clock.now()) << table;
  }
  (void)open(bench, *jobs);
  EXPECT_EQ(runs.table().snapshot()->version.value(), before + 1);
}

TEST(Maintenance, IsDoneByOneAtATime) {
  JobsBench bench(shop_that_keeps("400d"));
  order_days(bench);
  auto jobs = bench.open();
  auto maintenance = open(bench, *jobs);
  auto& runs = jobs->runs_table();
  const auto claim =
      runs.claim({.run_id = "other", .job = "maintenance@orders", .partition = "all"},
                 [](const Claim&) { return std::optional<std::int64_t>(); });
  ASSERT_TRUE(claim);
  EXPECT_EQ(maintenance->run("orders").value()[0].status, RunStatus::Skipped);
  EXPECT_EQ(bench.orders->snapshot()->files.size(), 12U);
}

// Whoever appends meanwhile never meets a conflict, and no row is lost or doubled.
TEST(Maintenance, GivesWayToAStreamThatCommitsAllTheTime) {
  JobsBench bench(shop_that_keeps("1d"));
  order_days(bench);
  auto jobs = bench.open();
  auto maintenance = open(bench, *jobs);
  std::atomic<bool> is_done{false};
  std::atomic<int> appended{0};
  std::thread stream([&] {
    auto engine = sql::Instance::open({.threads = 1}).value();
    auto connection = engine->connect().value();
    for (std::int64_t position = 0; !is_done; ++position) {
      const auto files = lake::write_data_files(
          connection, *bench.orders,
          "(SELECT 's' AS id, 'sue' AS customer, 1::DECIMAL(12,2) AS amount, TIMESTAMPTZ "
          "'2026-11-21T08:00:00Z' AS ts, DATE '2026-11-21' AS day)");
      lake::Transaction change{.operation = "STREAMING UPDATE", .adds = files.value()};
      change.positions = {
          {"stream", position == 0 ? std::nullopt : std::optional(position), position + 1}};
      ASSERT_TRUE(std::holds_alternative<lake::Committed>(bench.orders->commit(change).value()));
      ++appended;
    }
  });
  while (appended < 60) {
    const auto run = maintenance->run("orders").value()[0];
    EXPECT_EQ(run.status, RunStatus::Succeeded) << run.error;
  }
  is_done = true;
  stream.join();
  EXPECT_EQ(bench.rows("SELECT count(*) FROM orders WHERE customer = 'sue'"),
            std::to_string(appended));
  EXPECT_EQ(bench.rows("SELECT count(*) FROM orders WHERE customer = 'ann'"), "4");
  EXPECT_LT(bench.orders->snapshot()->files.size(), 40U);
}

// A run that was broken off, wherever that was, is repeated by the next start.
TEST(Maintenance, GoesOnWithTheNextStartAfterAKill) {
  for (const std::uint64_t nth : {2, 7, 12, 17, 22, 27}) {
    JobsBench bench(shop_that_keeps("2d"));
    order_days(bench);
    auto jobs = bench.open();
    auto maintenance = open(bench, *jobs);
    maintenance->run_due();
    bench.clock.advance(18h);
    // Nothing can be written any more: no row in `_runs` either, as after a kill.
    bench.disk.fail({.call = os::DiskCall::Sync,
                     .nth = nth,
                     .code = base::Code::Unavailable,
                     .times = os::Times::FromThenOn});
    maintenance->run_due();
    maintenance.reset();
    jobs.reset();
    bench.disk.heal();
    jobs = bench.open();
    maintenance = open(bench, *jobs);
    maintenance->run_due();
    EXPECT_EQ(bench.rows("SELECT day, count(*) FROM orders GROUP BY ALL"), "2026-11-20|4") << nth;
    EXPECT_EQ(bench.orders->snapshot()->files.size(), 1U) << nth;
    EXPECT_EQ(bench.rows("SELECT max(status) FROM _runs WHERE job = 'maintenance@orders'"),
              "succeeded")
        << nth;
    EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs WHERE status = 'failed' AND error NOT LIKE "
                         "'%the process ended during the run'"),
              "0")
        << nth;
  }
}

TEST(Maintenance, DoesNothingMoreOnceItIsStopped) {
  JobsBench bench(shop_that_keeps("1d"));
  order_days(bench);
  auto jobs = bench.open();
  auto maintenance = open(bench, *jobs);
  maintenance->run_due();
  bench.clock.advance(18h);
  maintenance->stop();
  maintenance->run_due();
  EXPECT_EQ(bench.history(), "");
  EXPECT_EQ(maintenance->run("orders").error().code, base::Code::Cancelled);
}

}  // namespace
}  // namespace millrace::batch
