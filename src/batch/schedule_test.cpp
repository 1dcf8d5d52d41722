#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "batch/jobs.hpp"
#include "batch/test_bench.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

std::string daily_at(const std::string& at, const std::string& more = "") {
  return shop("jobs:\n  daily:\n    at: \"" + at + R"("
    each: day
    sql: SELECT count(*) AS n FROM orders WHERE day = $day
)" + more);
}

/// What ran, by time, and of one moment by partition: `2026-11-20 2026-11-21`.
std::string ran(JobsBench& bench, const std::string& job = "daily") {
  return bench.rows(
      "SELECT string_agg(\"partition\", ' ' ORDER BY started_at, \"partition\") FROM _runs "
      "WHERE job = '" +
      job + "'");
}

// From the clock's time to `until`, a look every half hour.
void pass_time(JobsBench& bench, Jobs& jobs, const std::string& until) {
  while (bench.clock.now() < time_of(until)) {
    bench.clock.advance(30min);
    jobs.run_due();
  }
}

TEST(Schedule, RunsADayOnceAtTheFirstFiringAfterItsEnd) {
  JobsBench bench(daily_at("0 1 * * *"), "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-20T23:20:00Z");
  EXPECT_EQ(bench.history(), "");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-20 stale");
  bench.order("ann", "1", "2026-11-20T23:30:00Z");  // of the next day
  bench.clock.set(time_of("2026-11-21T00:00:00Z"));
  jobs->run_due();
  EXPECT_EQ(bench.history(), "daily|2026-11-20|succeeded|schedule");
  pass_time(bench, *jobs, "2026-11-21T20:00:00Z");
  EXPECT_EQ(ran(bench), "2026-11-20");
  EXPECT_EQ(jobs->list().value()[0].next_run_at, time_of("2026-11-22T00:00:00Z"));
}

TEST(Schedule, RunsOnceOnDaysOfAClockChange) {
  // 02:30 is left out on March 29 and comes twice on October 25.
  for (const auto* day : {"2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"}) {
    JobsBench bench(daily_at("30 2 * * *"), std::string(day) + "T12:00:00Z");
    auto jobs = bench.open();
    bench.order("ann", "1", std::string(day) + "T13:00:00Z");
    const auto until = config::format_day(config::parse_day(day).value() + std::chrono::days(2));
    pass_time(bench, *jobs, until + "T12:00:00Z");
    EXPECT_EQ(ran(bench), day);
  }
}

TEST(Schedule, CatchesUpAfterDowntimeInOrderAndOnce) {
  JobsBench bench(daily_at("0 1 * * *"), "2026-11-15T12:00:00Z");
  (void)bench.open();
  for (const auto* day : {"2026-11-18", "2026-11-16", "2026-11-15", "2026-11-17", "2026-11-19"}) {
    bench.order("ann", "1", std::string(day) + "T13:00:00Z");
  }
  bench.clock.set(time_of("2026-11-19T08:00:00Z"));
  std::string written;  // in the order in which it was
  bench.disk.on_call = [&](os::DiskCall call, const os::Path& path) {
    const auto at = path.string().find("/daily/day=");
    const bool is_file = call == os::DiskCall::Sync && path.string().ends_with(".parquet");
    if (is_file && at != std::string::npos) {
      written += path.string().substr(at + 11, 10) + " ";
    }
  };
  auto parts = bench.parts();
  parts.options.threads = 1;
  auto jobs = Jobs::open(parts).value();
  jobs->run_due();
  EXPECT_EQ(written, "2026-11-15 2026-11-16 2026-11-17 2026-11-18 ");
  EXPECT_EQ(bench.rows("SELECT list(CAST(day AS VARCHAR) ORDER BY day) FROM daily"),
            "[2026-11-15, 2026-11-16, 2026-11-17, 2026-11-18]");
  EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs"), "4");
  jobs = nullptr;
  jobs = bench.open();
  jobs->run_due();
  EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs"), "4");
}

TEST(Schedule, LateDataWaitForTheNextFiring) {
  JobsBench bench(daily_at("0 1 * * *"), "2026-11-19T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-18T13:00:00Z");
  bench.order("ann", "1", "2026-11-19T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-20T08:00:00Z");
  EXPECT_EQ(ran(bench), "2026-11-18 2026-11-19");
  bench.order("ann", "1", "2026-11-18T14:00:00Z");
  pass_time(bench, *jobs, "2026-11-20T20:00:00Z");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-18 stale, 2026-11-19 fresh");
  pass_time(bench, *jobs, "2026-11-21T08:00:00Z");
  EXPECT_EQ(ran(bench), "2026-11-18 2026-11-19 2026-11-18");
  EXPECT_EQ(bench.rows("SELECT n FROM daily WHERE day = DATE '2026-11-18'"), "2");
}

TEST(Schedule, WaitsWhileAPartitionIsFillingAndNotWhenAsked) {
  JobsBench bench(daily_at("0 1 * * *"), "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-19T13:00:00Z");
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  bench.stream.now = time_of("2026-11-20T22:59:00Z");  // the day ends at 23:00
  pass_time(bench, *jobs, "2026-11-21T08:00:00Z");
  EXPECT_EQ(ran(bench), "2026-11-19");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-19 fresh, 2026-11-20 filling");
  const std::string due = "millrace_job_due_timestamp_seconds{job_name=\"daily\"} ";
  EXPECT_THAT(bench.metrics.exposition(), HasSubstr(due + "1795219200\n"));
  EXPECT_EQ(jobs->run("daily").value().at(0).partition, "2026-11-20");
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  bench.order("ann", "1", "2026-11-19T13:00:00Z");  // ran for this firing already
  bench.stream.now = time_of("2026-11-20T23:00:00Z");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-19 due, 2026-11-20 due");
  jobs->run_due();
  EXPECT_EQ(ran(bench), "2026-11-19 2026-11-20 2026-11-20");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-19 stale, 2026-11-20 fresh");
  jobs->run_due();
  EXPECT_THAT(bench.metrics.exposition(), HasSubstr(due + "0\n"));
}

TEST(Schedule, AJobComesAfterTheJobsThatItReads) {
  JobsBench bench(daily_at("0 1 * * *", R"(  after:
    at: "0 1 * * *"
    each: day
    sql: SELECT sum(n) AS n FROM daily WHERE day = $day
  last:
    at: "0 1 * * *"
    sql: SELECT sum(n) AS n FROM after
)"),
                  "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  bench.stream.now = time_of("2026-11-20T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-21T02:00:00Z");
  EXPECT_EQ(bench.history(), "");
  bench.stream.now = time_of("2026-11-21T01:00:00Z");
  jobs->run_due();
  EXPECT_EQ(bench.history(),
            "after|2026-11-20|succeeded|schedule, daily|2026-11-20|succeeded|schedule, "
            "last|all|succeeded|schedule");
  EXPECT_EQ(bench.rows("FROM after"), "2026-11-20|1");
  EXPECT_EQ(bench.rows("FROM last"), "1");
}

// What it reads runs an hour later each night: it must not be a day late for ever.
TEST(Schedule, AJobThatIsScheduledBeforeWhatItReadsWaitsForIt) {
  JobsBench bench(daily_at("0 2 * * *", R"(  after:
    at: "0 1 * * *"
    each: day
    sql: SELECT sum(n) AS n FROM daily WHERE day = $day
  last:
    at: "30 0 * * *"
    each: day
    sql: SELECT sum(n) AS n FROM after WHERE day = $day
  whole:
    at: "30 1 * * *"
    sql: SELECT sum(n) AS n FROM daily
)"),
                  "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-21T00:30:00Z");  // 01:30 in Berlin
  EXPECT_EQ(bench.history(), "");
  EXPECT_FALSE(jobs->has_due()) << "nothing holds it up: its time comes";
  EXPECT_THAT(bench.metrics.exposition(),
              HasSubstr("millrace_job_due_timestamp_seconds{job_name=\"last\"} 0\n"));
  jobs = nullptr;
  jobs = bench.open();  // what was waited for is known after a restart too
  jobs->run_due();
  EXPECT_EQ(bench.history(), "");
  pass_time(bench, *jobs, "2026-11-21T12:00:00Z");
  const std::string once =
      "after|2026-11-20|succeeded|schedule, daily|2026-11-20|succeeded|schedule, "
      "last|2026-11-20|succeeded|schedule, whole|all|succeeded|schedule";
  EXPECT_EQ(bench.history(), once);
  EXPECT_EQ(bench.rows("FROM last"), "2026-11-20|1");
  EXPECT_EQ(bench.rows("FROM whole"), "1");
}

// What came late after the one ran does not hold up the other: each takes it at its next firing.
TEST(Schedule, AJobDoesNotWaitForWhatHadItsFiringAlready) {
  JobsBench bench(daily_at("0 1 * * *", R"(  after:
    at: "0 2 * * *"
    each: day
    sql: SELECT sum(n) AS n FROM daily WHERE day = $day
)"),
                  "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-21T00:30:00Z");  // 01:30 in Berlin
  EXPECT_EQ(bench.history(), "daily|2026-11-20|succeeded|schedule");
  bench.order("ann", "1", "2026-11-20T14:00:00Z");
  pass_time(bench, *jobs, "2026-11-21T12:00:00Z");
  EXPECT_EQ(bench.rows("FROM after"), "2026-11-20|1");
  pass_time(bench, *jobs, "2026-11-22T12:00:00Z");
  EXPECT_EQ(bench.rows("FROM after"), "2026-11-20|2");
  EXPECT_EQ(ran(bench, "after"), "2026-11-20 2026-11-20");
}

TEST(Schedule, AJobDoesNotWaitForWhatComesAfterItsOwnNextFiring) {
  JobsBench bench(daily_at("0 2 * * sun", R"(  after:
    at: "0 1 * * *"
    each: day
    reads: [orders]
    sql: |
      SELECT count(*) AS n, (SELECT sum(n) FROM daily WHERE day = $day) AS total
      FROM orders WHERE day = $day
)"),
                  "2026-11-17T12:00:00Z");  // a Tuesday
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-17T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-18T12:00:00Z");
  EXPECT_EQ(ran(bench, "after"), "2026-11-17");
  pass_time(bench, *jobs, "2026-11-23T12:00:00Z");
  EXPECT_EQ(ran(bench, "daily"), "2026-11-17");
  EXPECT_EQ(bench.rows("SELECT n, total FROM after"), "1|1");
}

TEST(Schedule, ARunThatFailedComesAgainAtTheNextFiring) {
  JobsBench bench(daily_at("0 1 * * *", R"(    reconcile:
      - - SELECT sum(n) FROM daily WHERE day = $day
        - SELECT count(*) FROM orders WHERE day = $day AND customer <> 'x'
)"),
                  "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("x", "1", "2026-11-20T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-21T20:00:00Z");
  EXPECT_EQ(bench.history(), "daily|2026-11-20|failed|schedule");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-20 failed");
  pass_time(bench, *jobs, "2026-11-22T20:00:00Z");
  EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs"), "2");
}

TEST(Schedule, HourlyRunsFollowTheHours) {
  JobsBench bench(shop(R"(
jobs:
  hourly:
    at: "5 * * * *"
    each: hour
    sql: SELECT count(*) AS n FROM orders WHERE ts >= $hour AND ts < $hour + INTERVAL 1 HOUR
)"),
                  "2026-10-24T21:00:00Z");
  auto jobs = bench.open();
  for (const auto* ts : {"2026-10-24T23:10:00Z", "2026-10-25T00:10:00Z", "2026-10-25T01:10:00Z",
                         "2026-10-25T02:10:00Z"}) {
    bench.clock.set(time_of(ts));
    bench.order("ann", "1", ts);
    jobs->run_due();
  }
  EXPECT_EQ(ran(bench, "hourly"), "2026-10-24T23:00Z 2026-10-25T00:00Z 2026-10-25T01:00Z");
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

TEST(Schedule, ItsThreadRunsWhatBecomesDue) {
  JobsBench bench(daily_at("0 1 * * *"), "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  jobs->start();
  bench.clock.set(time_of("2026-11-21T00:30:00Z"));
  EXPECT_TRUE(comes_true([&] { return !jobs->runs().value().empty(); }));
  jobs->stop();
  EXPECT_EQ(jobs->runs().value().at(0).status, RunStatus::Succeeded);
}

TEST(Schedule, AFailedRunBlocksOnlyWhatDependsOnIt) {
  // A day is right when it has two orders.
  JobsBench bench(daily_at("0 1 * * *", R"(    reconcile:
      - [SELECT sum(n) FROM daily WHERE day = $day, SELECT 2]
  after:
    at: "0 1 * * *"
    each: day
    sql: SELECT sum(n) AS n FROM daily WHERE day = $day
  last:
    at: "0 1 * * *"
    sql: SELECT sum(n) AS n FROM after
  other:
    at: "0 1 * * *"
    each: day
    sql: SELECT count(*) AS n FROM orders WHERE day = $day
)"),
                  "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-19T13:00:00Z");
  for (int i = 0; i < 2; ++i) bench.order("ann", "1", "2026-11-20T13:00:00Z");
  pass_time(bench, *jobs, "2026-11-21T03:00:00Z");
  EXPECT_EQ(ran(bench), "2026-11-19 2026-11-20");
  EXPECT_EQ(ran(bench, "other"), "2026-11-19 2026-11-20");
  EXPECT_EQ(ran(bench, "after"), "2026-11-20");
  EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs WHERE job = 'last'"), "0");
  const auto states = [&] {
    return bench.states(*jobs, "daily") + "; " + bench.states(*jobs, "after") + "; " +
           bench.states(*jobs, "last");
  };
  const auto* const blocked = "2026-11-19 failed, 2026-11-20 fresh; 2026-11-20 fresh; all blocked";
  EXPECT_EQ(states(), blocked);
  // It is so after a restart, and until the day is mended, by whatever run.
  jobs = nullptr;
  jobs = bench.open();
  jobs->run_due();
  EXPECT_EQ(states(), blocked);
  bench.order("bob", "1", "2026-11-19T14:00:00Z");
  ASSERT_EQ(jobs->run("daily", "2026-11-19").value().at(0).status, RunStatus::Succeeded);
  jobs->run_due();
  EXPECT_EQ(ran(bench, "after"), "2026-11-20 2026-11-19");
  EXPECT_EQ(bench.rows("FROM last"), "4");
}

TEST(Schedule, AJobThatWaitsForItsNextAttemptHoldsUpNoOther) {
  JobsBench bench(daily_at("0 1 * * *", R"(    retry: {attempts: 2, wait: 1h}
  after:
    at: "0 1 * * *"
    each: day
    sql: SELECT sum(n) AS n FROM daily WHERE day = $day
  other:
    at: "0 1 * * *"
    each: day
    sql: SELECT count(*) AS n FROM orders WHERE day = $day
)"),
                  "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-19T13:00:00Z");
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  const auto folder = bench.folder.path() / "tables" / "daily" / "day=2026-11-19";
  os::write_file(bench.real_disk, folder, "no folder").value();  // its file cannot be written
  jobs->start();
  bench.clock.set(time_of("2026-11-21T00:00:00Z"));
  EXPECT_TRUE(comes_true([&] { return ran(bench, "other") == "2026-11-19 2026-11-20"; }));
  EXPECT_TRUE(comes_true([&] { return ran(bench) == "2026-11-20"; }));
  EXPECT_TRUE(comes_true([&] { return jobs->run("other", "2026-11-19").has_value(); }));
  EXPECT_EQ(bench.rows("SELECT count(*) FROM _runs WHERE job = 'after'"), "0");
  EXPECT_TRUE(comes_true([&] { return bench.has_failed_once("daily"); }));
  std::filesystem::remove(folder);
  bench.clock.advance(1h + 1s);
  EXPECT_TRUE(comes_true([&] { return ran(bench, "after") == "2026-11-19 2026-11-20"; }));
  jobs->stop();
  EXPECT_EQ(bench.rows("SELECT attempt FROM _runs WHERE job = 'daily' ORDER BY \"partition\""),
            "2, 1");
}

TEST(Schedule, StoppingEndsARunUnderWay) {
  JobsBench bench(shop(R"(
jobs:
  endless:
    at: "0 1 * * *"
    sql: SELECT count(*) AS n FROM orders, range(1000000000) a(i), range(1000000000) b(j)
)"),
                  "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  bench.order("ann", "1", "2026-11-20T13:00:00Z");
  const auto is_running = [&] {
    return jobs->list().value().at(0).partitions.at(0).state == PartitionState::Running;
  };
  // A run that is claimed and not yet begun leaves nothing behind: then it is tried once more.
  for (int life = 0; life < 20 && jobs->runs().value().empty(); ++life) {
    if (life > 0) jobs = nullptr, jobs = bench.open();
    jobs->start();
    bench.clock.set(time_of("2026-11-21T00:30:00Z"));
    EXPECT_TRUE(comes_true(is_running));
    jobs->stop();
  }
  const auto run = jobs->runs().value().at(0);
  EXPECT_EQ(run.status, RunStatus::Failed);
  EXPECT_EQ(run.error, "the program was stopped during the run");
  EXPECT_EQ(jobs->run("endless").error().code, base::Code::Cancelled);
  jobs = nullptr;
  jobs = bench.open();  // its firing is not forgotten
  jobs->start();
  EXPECT_TRUE(comes_true(is_running));
  jobs->stop();
}

}  // namespace
}  // namespace millrace::batch
