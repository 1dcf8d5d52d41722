#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batch/jobs.hpp"
#include "batch/test_power.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

const char* const kDaily = R"(
jobs:
  daily:
    each: day
    sql: SELECT count(*) AS n FROM orders WHERE day = $day
    retry: {attempts: 1}
)";

std::unique_ptr<RunsTable> runs_of(JobsBench& bench) {
  return std::move(RunsTable::open(bench.folder.path() / "tables" / "_runs", bench.tools(),
                                   {.pipeline = "shop", .files_max = 8}))
      .value();
}

Claim wanted(const std::string& run_id, const JobsBench& bench) {
  return {.run_id = run_id,
          .job = "daily",
          .partition = "2026-11-20",
          .trigger = Trigger::Schedule,
          .started_at = bench.clock.now()};
}

std::optional<std::int64_t> nothing(const Claim&) {
  return std::nullopt;
}

TEST(RunsTable, OneOfTwoClaimantsWins) {
  JobsBench bench(shop(kDaily));
  auto first = runs_of(bench);
  auto second = runs_of(bench);
  const auto claim = std::get<Claim>(first->claim(wanted("a", bench), nothing).value());
  const auto held = std::get<Held>(second->claim(wanted("b", bench), nothing).value());
  EXPECT_EQ(held.until, bench.clock.now() + 5min);
  EXPECT_TRUE(second->is_running("daily", "2026-11-20"));
  first->finish(claim, {.run_id = "a", .job = "daily", .partition = "2026-11-20"}).value();
  EXPECT_TRUE(std::holds_alternative<Claim>(second->claim(wanted("b", bench), nothing).value()));
}

TEST(RunsTable, AnExpiredClaimIsTakenOverAndItsRunRecorded) {
  JobsBench bench(shop(kDaily));
  auto first = runs_of(bench);
  auto second = runs_of(bench);
  std::vector<Claim> lost{std::get<Claim>(first->claim(wanted("a", bench), nothing).value())};
  bench.clock.advance(4min);
  ASSERT_TRUE(first->is_due_for_renewal(lost[0]));
  first->renew(lost).value();
  ASSERT_EQ(lost.size(), 1U);
  bench.clock.advance(4min);
  EXPECT_TRUE(std::holds_alternative<Held>(second->claim(wanted("b", bench), nothing).value()));
  bench.clock.advance(2min);
  std::vector<Claim> taken{std::get<Claim>(second->claim(wanted("b", bench), nothing).value())};
  EXPECT_FALSE(first->finish(lost[0], {.run_id = "a"}).has_value());
  auto renewed = lost;
  first->renew(renewed).value();
  EXPECT_TRUE(renewed.empty());
  first->keep_held(lost).value();
  EXPECT_TRUE(lost.empty());
  second->keep_held(taken).value();
  EXPECT_EQ(taken.size(), 1U);
  const auto rows = second->runs({}).value();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].run_id, "a");
  EXPECT_EQ(rows[0].error, "the process ended during the run");
}

TEST(RunsTable, AStartLeavesTheClaimsOfSparkUntilTheyExpire) {
  JobsBench bench(shop(kDaily));
  auto runs = runs_of(bench);
  const auto until = bench.clock.now() + 5min;
  const auto value = until.time_since_epoch().count() * 2 + 1;
  const auto id = "millrace/shop/daily/2026-11-20/claim";
  lake::Transaction claimed{.operation = "WRITE"};
  claimed.positions.push_back({id, std::nullopt, value});
  claimed.extra = fmt::format(
      R"({{"claims":[{{"app_id":"{}","value":{},"run_id":"s","job":"daily","engine":"spark",)"
      R"("partition":"2026-11-20","trigger":"manual","started_at":"2026-11-20T00:00:00Z"}}]}})",
      id, value);
  ASSERT_TRUE(runs->table().commit(claimed).has_value());

  runs->end_abandoned(nothing).value();
  EXPECT_TRUE(runs->is_running("daily", "2026-11-20"));
  EXPECT_TRUE(runs->runs({}).value().empty());

  bench.clock.advance(6min);
  runs->end_abandoned(nothing).value();
  EXPECT_FALSE(runs->is_running("daily", "2026-11-20"));
  ASSERT_EQ(runs->runs({}).value().size(), 1U);
  EXPECT_EQ(runs->runs({}).value()[0].run_id, "s");
}

TEST(RunsTable, TakesAndGivesBackManyClaimsInOneCommitEach) {
  JobsBench bench(shop(kDaily));
  auto first = runs_of(bench);
  auto second = runs_of(bench);
  const auto of_day = [&](const std::string& run_id, const std::string& day) {
    auto claim = wanted(run_id, bench);
    claim.partition = day;
    return claim;
  };
  ASSERT_TRUE(second->claim(of_day("x", "2026-11-18"), nothing).has_value());
  const auto version = first->table().refresh().value()->version.value();
  const auto claimed = first
                           ->claim({of_day("a", "2026-11-17"), of_day("b", "2026-11-18"),
                                    of_day("c", "2026-11-19"), of_day("d", "2026-11-20")},
                                   nothing)
                           .value();
  ASSERT_EQ(claimed.size(), 4U);
  EXPECT_TRUE(std::holds_alternative<Held>(claimed[1]));
  std::vector<Claim> claims;
  for (const auto i : {0, 2, 3}) claims.push_back(std::get<Claim>(claimed[i]));
  EXPECT_EQ(first->table().snapshot()->version.value(), version + 1);
  // One expires and is taken: the others are renewed and given back without it.
  bench.clock.advance(6min);
  const auto taken = std::get<Claim>(second->claim(of_day("y", "2026-11-19"), nothing).value());
  first->renew(claims).value();
  ASSERT_EQ(claims.size(), 2U);
  EXPECT_EQ(claims[1].run_id, "d");
  const auto row = [](const Claim& claim) {
    return RunRow{.run_id = claim.run_id, .job = claim.job, .partition = claim.partition};
  };
  const auto lost = std::get<Claim>(claimed[2]);
  EXPECT_EQ(
      first->finish({{claims[0], row(claims[0])}, {lost, row(lost)}, {claims[1], {}}}).value(), 2U);
  EXPECT_EQ(first->runs({}).value().size(), 2U);  // c was ended by who took it, d ran nothing
  EXPECT_FALSE(first->is_running("daily", "2026-11-17"));
  EXPECT_FALSE(first->is_running("daily", "2026-11-20"));
  second->finish(taken, row(taken)).value();
}

TEST(RunsTable, ClaimsStayInOrderWhenTheClockGoesBack) {
  JobsBench bench(shop(kDaily));
  auto runs = runs_of(bench);
  for (int i = 0; i < 3; ++i) {
    const auto claim = std::get<Claim>(runs->claim(wanted("a", bench), nothing).value());
    runs->finish(claim, {.run_id = "a", .job = "daily", .partition = "2026-11-20"}).value();
    bench.clock.set(bench.clock.now() - 1h);
  }
  EXPECT_EQ(runs->runs({}).value().size(), 3U);
}

TEST(RunsTable, CompactsItsManySmallFiles) {
  JobsBench bench(shop(kDaily));
  auto runs = runs_of(bench);
  for (int i = 0; i < 20; ++i) {
    const auto claim = std::get<Claim>(runs->claim(wanted("a", bench), nothing).value());
    runs->finish(claim, {.run_id = "a", .job = "daily", .partition = "2026-11-20"}).value();
  }
  EXPECT_LT(runs->table().snapshot()->files.size(), 10U);
  EXPECT_EQ(runs->runs({}).value().size(), 20U);
  EXPECT_EQ(runs->runs({.limit = 5}).value().size(), 5U);
}

TEST(Runs, ARunThatACrashCutOffIsRecordedAtTheNextStart) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  (void)bench.open();
  (void)runs_of(bench)->claim(wanted("crashed", bench), nothing).value();
  auto jobs = bench.open();
  const auto rows = jobs->runs().value();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].run_id, "crashed");
  EXPECT_EQ(rows[0].status, RunStatus::Failed);
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-20 failed");
  EXPECT_EQ(jobs->run("daily").value().at(0).status, RunStatus::Succeeded);
}

TEST(Runs, WhatAnotherProcessRunsIsSkipped) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  (void)runs_of(bench)->claim(wanted("other", bench), nothing).value();
  const auto run = jobs->run("daily", "2026-11-20").value().at(0);
  EXPECT_EQ(run.status, RunStatus::Skipped);
  EXPECT_THAT(run.error, HasSubstr("another process runs it"));
  bench.clock.advance(6min);
  EXPECT_EQ(jobs->run("daily", "2026-11-20").value().at(0).status, RunStatus::Succeeded);
}

/// Does something at the n-th look at the steady clock: in the middle of a commit.
class HookClock final : public base::Clock {
 public:
  explicit HookClock(const base::Clock& clock) : clock_(clock) {}
  base::Time now() const override { return clock_.now(); }
  base::SteadyTime steady_now() const override {
    if (hook && --looks_left == 0) hook();
    return clock_.steady_now();
  }
  std::function<void()> hook;
  mutable int looks_left = 0;

 private:
  const base::Clock& clock_;
};

TEST(Runs, AChangeOfThePartitionDuringTheRunIsComputedAnew) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  HookClock clock(bench.clock);
  auto parts = bench.parts();
  auto jobs =
      Jobs::open({bench.pipeline,
                  {bench.disk, *bench.engine, clock, bench.random, {bench.log, bench.metrics}},
                  bench.board,
                  bench.stream,
                  parts.folder,
                  {}})
          .value();
  ASSERT_EQ(jobs->run("daily").value().at(0).rows, 1);
  // Looks: the run's start, the commit of its claim, the commit of its result.
  clock.looks_left = 3;
  bool has_raced = false;
  clock.hook = [&] {
    has_raced = true;
    bench.order("bob", "1", "2026-11-20T12:00:00Z");
    auto other =
        std::move(lake::Table::open(parts.folder / "tables" / "daily", bench.tools())).value();
    lake::Transaction add{
        .adds = lake::write_data_files(*bench.connection, *other,
                                       "(SELECT DATE '2026-11-20' AS day, CAST(77 AS BIGINT) AS n)")
                    .value()};
    ASSERT_TRUE(std::holds_alternative<lake::Committed>(other->commit(add).value()));
  };
  const auto run = jobs->run("daily", "2026-11-20").value().at(0);
  EXPECT_TRUE(has_raced);
  EXPECT_EQ(run.status, RunStatus::Succeeded) << run.error;
  EXPECT_EQ(run.attempt, 1);
  EXPECT_EQ(bench.rows("FROM daily"), "2026-11-20|2");
}

constexpr const char* kNumbers = "SELECT string_agg(n, ',')";

base::Result<std::vector<RunRow>> run_daily(Jobs& jobs) {
  return jobs.run("daily");
}

TEST(Runs, APowerCutAtAnyCallLeavesThePartitionOldOrNewAndARunMendsIt) {
  JobsBench bench(shop(kDaily));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  ASSERT_EQ(bench.open()->run("daily").value().at(0).rows, 1);
  bench.order("bob", "1", "2026-11-20T12:00:00Z");
  PowerBench uncut(bench, 1, os::Survival::Everything);
  ASSERT_TRUE(uncut.live(run_daily).has_value());
  const auto calls = uncut.disk->calls();
  ASSERT_GT(calls, 10U);
  for (std::uint64_t cut = 1; cut <= calls; ++cut) {
    for (const auto survival :
         {os::Survival::Nothing, os::Survival::Random, os::Survival::Everything}) {
      SCOPED_TRACE("cut at call " + std::to_string(cut) + ", survival " +
                   std::to_string(static_cast<int>(survival)));
      PowerBench power(bench, cut, survival);
      power.disk->cut_at(cut);
      const auto first = power.live(run_daily);
      power.disk->power_cycle().value();
      const bool has_succeeded = first && first->at(0).status == RunStatus::Succeeded;
      EXPECT_THAT(power.rows("daily", kNumbers), testing::AnyOf(has_succeeded ? "2" : "1", "2"));
      const auto again = power.live(run_daily);
      ASSERT_TRUE(again.has_value()) << again.error().text();
      for (const auto& run : *again) EXPECT_EQ(run.status, RunStatus::Succeeded) << run.error;
      EXPECT_EQ(power.rows("daily", kNumbers), "2");
    }
  }
}

}  // namespace
}  // namespace millrace::batch
