// Many partitions that are run together: docs/jobs.md, "Many partitions at once".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "batch/replacement.hpp"
#include "batch/test_power.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

const char* const kDaily = R"(
jobs:
  daily:
    each: day
    sql: SELECT count(*) AS n, sum(CAST(customer AS INTEGER)) AS total FROM orders WHERE day = $day
    retry: {attempts: 2, wait: 1h}
)";
const char* const kOnce = R"(
jobs:
  daily:
    each: day
    sql: SELECT count(*) AS n FROM orders WHERE day = $day
    retry: {attempts: 1}
)";
constexpr const char* kFirst = "2026-11-01";

std::string day(int number) {
  return (number < 10 ? "2026-11-0" : "2026-11-") + std::to_string(number);
}

// An order on each of the first days of a month.
void order_days(JobsBench& bench, int days, const std::string& customer = "1") {
  for (int i = 1; i <= days; ++i) bench.order(customer, "1", day(i) + "T12:00:00Z");
}

JobsParts parts_with(JobsBench& bench, std::size_t threads) {
  auto parts = bench.parts();
  parts.options.threads = threads;
  return parts;
}

std::int64_t version_of(JobsBench& bench, const std::string& table) {
  return bench.board.table(table)->refresh().value()->version.value();
}

// `succeeded 3, failed 1`
std::string count(const std::vector<RunRow>& runs) {
  std::map<std::string, int> counts;
  for (const auto& run : runs) ++counts[std::string(name_of(run.status))];
  std::string text;
  for (const auto& [status, number] : counts) {
    text += (text.empty() ? "" : ", ") + status + " " + std::to_string(number);
  }
  return text;
}

// Waits, in real time, for what a thread does.
template <class Claim>
bool comes_true(Claim claim) {
  for (int i = 0; i < 6000; ++i) {
    if (claim()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

TEST(Groups, AreClaimedReplacedAndRecordedInOneCommitEach) {
  JobsBench bench(shop(kDaily));
  order_days(bench, 10);
  auto jobs = Jobs::open(parts_with(bench, 3)).value();
  const auto runs_before = version_of(bench, "_runs");
  const auto runs = jobs->backfill("daily", kFirst, day(12)).value();
  EXPECT_EQ(count(runs), "succeeded 12");  // days without orders have no rows
  EXPECT_EQ(version_of(bench, "daily"), 1);
  EXPECT_EQ(version_of(bench, "_runs"), runs_before + 2);
  EXPECT_EQ(bench.rows("SELECT count(*), sum(n), sum(total) FROM daily"), "12|10|10");
  EXPECT_EQ(bench.rows("SELECT count(DISTINCT run_id), count(*) FROM _runs"), "12|12");
  EXPECT_EQ(count(jobs->backfill("daily", kFirst, day(12)).value()), "skipped 12");
  bench.order("1", "1", day(3) + "T13:00:00Z");
  bench.order("1", "1", day(7) + "T13:00:00Z");
  EXPECT_EQ(count(jobs->backfill("daily", kFirst, day(12)).value()), "skipped 10, succeeded 2");
  EXPECT_EQ(version_of(bench, "daily"), 2);
  EXPECT_EQ(bench.rows("SELECT count(*), sum(n) FROM daily"), "12|12");
}

TEST(Groups, APartitionThatFailsLeavesTheOthersCommitted) {
  JobsBench bench(shop(kDaily));
  order_days(bench, 6);
  bench.order("no number", "1", day(4) + "T13:00:00Z");
  auto jobs = Jobs::open(parts_with(bench, 2)).value();
  const auto runs = jobs->run("daily").value();
  EXPECT_EQ(count(runs), "failed 1, succeeded 5");
  EXPECT_EQ(runs[3].partition, day(4));
  EXPECT_EQ(runs[3].attempt, 1);
  EXPECT_THAT(runs[3].error, HasSubstr("shop.yaml:17:"));
  EXPECT_THAT(runs[3].error, HasSubstr("no number"));
  EXPECT_EQ(bench.rows("SELECT count(*), count(*) FILTER (day = DATE '2026-11-04') FROM daily"),
            "5|0");
  EXPECT_EQ(bench.rows("SELECT \"partition\", attempt FROM _runs WHERE status = 'failed'"),
            day(4) + "|1");
  EXPECT_EQ(count(jobs->run("daily").value()), "failed 1");  // the others are fresh
}

// How many partitions of `daily` are written at once: each waits until `count` are, or some
// seconds.
class Meeting {
 public:
  Meeting(os::FaultDisk& disk, std::size_t count) {
    disk.on_call = [this, count](os::DiskCall call, const os::Path& path) {
      if (call != os::DiskCall::Sync || !path.string().ends_with(".parquet")) return;
      if (path.string().find("/daily/day=") == std::string::npos) return;
      std::unique_lock lock(mutex_);
      most_ = std::max(most_, ++here_);
      changed_.notify_all();
      changed_.wait_for(lock, 5s, [&] { return most_ >= count; });
      --here_;
    };
  }
  std::size_t most() const { return most_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t here_ = 0, most_ = 0;  // Guarded by mutex_.
};

TEST(Groups, AsManyRunAtOnceAsThereAreThreadsForThem) {
  for (const std::size_t threads : {1U, 3U}) {
    JobsBench bench(shop(kDaily));
    order_days(bench, 7);
    Meeting meeting(bench.disk, threads);
    auto jobs = Jobs::open(parts_with(bench, threads)).value();
    EXPECT_EQ(count(jobs->run("daily").value()), "succeeded 7");
    EXPECT_EQ(meeting.most(), threads);
  }
}

TEST(Groups, ARunThatWaitsForItsNextAttemptHoldsUpNoOther) {
  JobsBench bench(shop(kDaily));
  order_days(bench, 5);
  auto jobs = Jobs::open(parts_with(bench, 2)).value();
  const auto folder = bench.folder.path() / "tables" / "daily" / ("day=" + day(2));
  os::write_file(bench.real_disk, folder, "no folder").value();  // its file cannot be written
  std::vector<RunRow> runs;
  std::jthread runner([&] { runs = jobs->run("daily").value(); });
  const auto others_are_there = [&] {
    return bench.rows("SELECT count(*) FROM daily") == "4" &&
           bench.rows("SELECT count(*) FROM _runs") == "4";
  };
  EXPECT_TRUE(comes_true(others_are_there));
  EXPECT_TRUE(comes_true([&] { return bench.has_failed_once("daily"); }));
  EXPECT_THAT(bench.states(*jobs, "daily"), HasSubstr(day(2) + " running"));
  std::filesystem::remove(folder);
  bench.clock.advance(1h + 1s);
  runner.join();
  ASSERT_EQ(count(runs), "succeeded 5");
  EXPECT_EQ(runs[1].attempt, 2);
  EXPECT_EQ(runs[1].error, "");
  EXPECT_EQ(bench.rows("SELECT attempt, count(*) FROM _runs GROUP BY ALL ORDER BY ALL"),
            "1|4, 2|1");
  EXPECT_EQ(bench.rows("SELECT count(*) FROM daily"), "5");
}

TEST(Groups, AStopKeepsWhatWasComputedAndLeavesTheRestUntouched) {
  JobsBench bench(shop(R"(
jobs:
  daily:
    each: day
    sql: |
      SELECT sum((SELECT count(*) FROM range(CASE WHEN customer = 'slow' THEN 1000000000000
                                                  ELSE 1 END))) AS n
      FROM orders WHERE day = $day
)"));
  order_days(bench, 3);
  bench.order("slow", "1", day(4) + "T12:00:00Z");
  bench.order("1", "1", day(5) + "T12:00:00Z");
  auto jobs = Jobs::open(parts_with(bench, 1)).value();
  base::Result<std::vector<RunRow>> runs = std::vector<RunRow>();
  std::jthread runner([&] { runs = jobs->run("daily"); });
  // What was computed does not wait for the slow one: it is committed after some seconds.
  EXPECT_TRUE(comes_true([&] {
    bench.clock.advance(1s);
    return bench.rows("SELECT count(*) FROM daily") == "3";
  }));
  jobs->stop();
  runner.join();
  EXPECT_EQ(runs.error().code, base::Code::Cancelled);
  EXPECT_EQ(bench.rows("SELECT count(*), sum(n) FROM daily"), "3|3");
  EXPECT_EQ(bench.rows("SELECT \"partition\", status, error FROM _runs WHERE status = 'failed'"),
            day(4) + "|failed|the program was stopped during the run");
  EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs"), "4");
  jobs = bench.open();
  EXPECT_THAT(bench.states(*jobs, "daily"), HasSubstr(day(5) + " stale"));  // not claimed any more
}

TEST(Groups, TwoProcessesOnOneRangeRunEachPartitionOnce) {
  JobsBench bench(shop(kDaily));
  order_days(bench, 28);
  flow::CutBoard boards[2];
  std::unique_ptr<lake::Table> orders[2];
  std::unique_ptr<Jobs> jobs[2];
  for (int i = 0; i < 2; ++i) {
    orders[i] = std::move(lake::Table::open(bench.orders->root(), bench.tools())).value();
    boards[i].add_table("orders", *orders[i]);
    jobs[i] = Jobs::open({bench.pipeline, bench.tools(), boards[i], bench.stream,
                          bench.folder.path(), JobsOptions{.threads = 2}})
                  .value();
  }
  std::vector<RunRow> runs[2];
  {
    std::jthread first([&] { runs[0] = jobs[0]->backfill("daily", kFirst, day(28)).value(); });
    std::jthread second([&] { runs[1] = jobs[1]->backfill("daily", kFirst, day(28)).value(); });
  }
  std::map<std::string, int> succeeded;
  for (const auto& side : runs) {
    for (const auto& run : side) {
      succeeded[run.partition] += run.status == RunStatus::Succeeded ? 1 : 0;
    }
  }
  for (const auto& [partition, times] : succeeded) EXPECT_EQ(times, 1) << partition;
  EXPECT_EQ(succeeded.size(), 28U);
  for (auto& one : jobs) one = nullptr;
  auto after = bench.open();
  EXPECT_EQ(bench.rows("SELECT count(*), sum(n) FROM daily"), "28|28");
  EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs"), "28");
}

// The partitions of a job, pinned and computed, and not yet in its table.
class Computing {
 public:
  explicit Computing(JobsBench& bench)
      : plan(plan_jobs(bench.pipeline, {{"orders", JobsBench::order_columns()}}, *bench.engine)
                 .plans.at(0)),
        table(std::move(lake::Table::open_or_create(bench.folder.path() / "tables" / "daily",
                                                    plan.schema, {"day"}, bench.tools()))
                  .value()),
        checks(
            std::move(ChecksTable::open(bench.folder.path() / "tables" / "_checks", bench.tools()))
                .value()),
        marks("shop", plan, zone) {
    const auto pinned = Pinned::pin(job, bench.board).value();
    auto computer = Computer::open(job, bench.tools(), *checks).value();
    std::vector<CheckResult> found;
    partitions = parse_range(config::Each::Day, kFirst, day(3), zone).value();
    for (const auto& partition : partitions) {
      computed.push_back(computer.compute(pinned, partition, {}, found).value());
    }
  }

  const config::TimeZone zone = config::TimeZone::find("Europe/Berlin").value();
  const JobPlan plan;
  const std::unique_ptr<lake::Table> table;
  const std::unique_ptr<ChecksTable> checks;
  const Marks marks;
  const RunnableJob job{plan, *table, marks};
  std::vector<Partition> partitions;
  std::vector<Computed> computed;
};

TEST(Groups, APartitionThatOthersChangedIsLeftOutOfTheCommit) {
  JobsBench bench(shop(kDaily));
  order_days(bench, 3);
  Computing computing(bench);
  auto other = std::move(lake::Table::open(computing.table->root(), bench.tools())).value();
  lake::Transaction add{
      .adds = lake::write_data_files(*bench.connection, *other,
                                     "(SELECT DATE '2026-11-02' AS day, CAST(7 AS BIGINT) AS n, "
                                     "CAST(7 AS DECIMAL(38,0)) AS total)")
                  .value()};
  ASSERT_TRUE(std::holds_alternative<lake::Committed>(other->commit(add).value()));
  std::vector<Replacement> replacements;
  for (std::size_t i = 0; i < 3; ++i) {
    replacements.push_back(
        {computing.partitions[i], computing.computed[i], "run " + std::to_string(i)});
  }
  replace_partitions(computing.job, replacements);
  EXPECT_EQ(std::get<Replacement::Done>(replacements[0].outcome).rows, 1);
  EXPECT_TRUE(std::holds_alternative<lake::Conflict>(replacements[1].outcome));
  EXPECT_EQ(std::get<Replacement::Done>(replacements[2].outcome).rows, 1);
  EXPECT_EQ(computing.table->snapshot()->version.value(), 2);
  const auto file = computing.table->root() / lake::uri_decoded(computing.computed[1].file->path);
  EXPECT_FALSE(std::filesystem::exists(file));
  const std::map<std::string, std::int64_t> runs{{"run 0", 1}, {"run 2", 1}};
  EXPECT_EQ(committed_runs(*computing.table), runs);
  bench.board.add_table("daily", *computing.table);
  EXPECT_EQ(bench.rows("SELECT day, n FROM daily ORDER BY day"),
            "2026-11-01|1, 2026-11-02|7, 2026-11-03|1");
  bench.board.remove_table("daily");
}

constexpr const char* kNumbers = "SELECT string_agg(n, ',' ORDER BY day)";
constexpr const char* kSucceeded =
    "SELECT count(DISTINCT \"partition\") FILTER (status = 'succeeded')";

const JobsOptions kTwo{.threads = 2};

base::Result<std::vector<RunRow>> fill(Jobs& jobs) {
  return jobs.backfill("daily", kFirst, day(4));
}

TEST(Groups, APowerCutAtAnyCallLeavesAllOldOrAllNewAndARunMendsIt) {
  JobsBench bench(shop(kOnce));
  order_days(bench, 4);
  ASSERT_EQ(count(bench.open()->run("daily").value()), "succeeded 4");
  std::filesystem::remove_all(bench.folder.path() / "tables" / "_runs");
  for (const auto number : {1, 2, 4}) bench.order("1", "1", day(number) + "T13:00:00Z");
  PowerBench uncut(bench, 1, os::Survival::Everything);
  ASSERT_EQ(count(uncut.live(fill, kTwo).value()), "skipped 1, succeeded 3");
  const auto calls = uncut.disk->calls();
  ASSERT_GT(calls, 20U);
  for (std::uint64_t cut = 1; cut <= calls; ++cut) {
    for (const auto survival : {os::Survival::Nothing, os::Survival::Everything}) {
      SCOPED_TRACE("cut at call " + std::to_string(cut) + ", survival " +
                   std::to_string(static_cast<int>(survival)));
      PowerBench power(bench, cut, survival);
      power.disk->cut_at(cut);
      const auto first = power.live(fill, kTwo);
      power.disk->power_cycle().value();
      const bool has_succeeded = first && count(*first) == "skipped 1, succeeded 3";
      const auto found = power.rows("daily", kNumbers);
      EXPECT_THAT(found, testing::AnyOf(has_succeeded ? "2,2,1,2" : "1,1,1,1", "2,2,1,2"));
      const auto again = power.live(fill, kTwo);
      ASSERT_TRUE(again.has_value()) << again.error().text();
      EXPECT_EQ(count(*again), found == "2,2,1,2" ? "skipped 4" : "skipped 1, succeeded 3");
      EXPECT_EQ(power.rows("daily", kNumbers), "2,2,1,2");
      // Each run that was committed is told of, by itself or by the life after.
      EXPECT_EQ(power.rows("_runs", kSucceeded), "3");
      EXPECT_EQ(power.rows("_runs", "SELECT count(*) FILTER (status = 'succeeded')"), "3");
    }
  }
}

TEST(Groups, SqlThatReadsOtherPartitionsSeesThem) {
  JobsBench bench(shop(R"(
jobs:
  daily:
    each: day
    sql: |
      SELECT count(*) AS n, (SELECT count(*) FROM orders) AS all_orders
      FROM orders WHERE day = $day
  pairs:
    each: day
    sql: |
      SELECT count(*) AS n FROM orders o JOIN orders p ON o.customer = p.customer
      WHERE o.day = $day
  within:
    each: day
    sql: |
      SELECT count(*) AS n FROM orders o JOIN orders p ON o.customer = p.customer
      WHERE o.day = $day AND $day = p.day
)"));
  order_days(bench, 3);
  auto jobs = Jobs::open(parts_with(bench, 2)).value();
  for (const auto* job : {"daily", "pairs", "within"}) {
    ASSERT_EQ(count(jobs->run(job).value()), "succeeded 3");
  }
  EXPECT_EQ(bench.rows("SELECT n, all_orders FROM daily"), "1|3, 1|3, 1|3");
  EXPECT_EQ(bench.rows("SELECT n FROM pairs"), "3, 3, 3");
  EXPECT_EQ(bench.rows("SELECT n FROM within"), "1, 1, 1");
}

}  // namespace
}  // namespace millrace::batch
