#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batch/jobs.hpp"
#include "batch/test_bench.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

std::string daily(const std::string& expect) {
  return shop("jobs:\n  daily:\n    each: day\n    sql: |\n" +
              std::string("      SELECT customer, count(*) AS orders, sum(amount) AS total, "
                          "max(ts) AS newest\n      FROM orders WHERE day = $day GROUP BY ALL\n") +
              "    retry: {attempts: 1}\n    expect:\n      c: " + expect + "\n");
}

/// The result of the check on one day with two orders of ann, of 1 and of 2.50, and one of bob.
std::string outcome_of(const std::string& expect) {
  JobsBench bench(daily(expect));
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  bench.order("ann", "2.50", "2026-11-20T13:00:00Z");
  bench.order("bob", "4", "2026-11-20T14:00:00Z");
  auto jobs = bench.open();
  if (!jobs) return "";
  const auto run = jobs->run("daily").value().at(0);
  const auto table = bench.rows("SELECT outcome, value, coalesce(detail, '') FROM _checks");
  const bool is_failed = run.status == RunStatus::Failed;
  EXPECT_EQ(is_failed, table.starts_with("failed")) << run.error;
  EXPECT_EQ(bench.rows("SELECT count(*) FROM daily"), is_failed ? "0" : "2");
  return table;
}

TEST(Checks, NoRowsTellsTheFirstWrongOne) {
  EXPECT_EQ(outcome_of("{no_rows: SELECT * FROM daily WHERE total < 0}"), "passed|0.0|");
  EXPECT_EQ(outcome_of("{no_rows: 'SELECT customer FROM daily WHERE day = $day AND orders > 1'}"),
            "failed|1.0|1 rows, the first: {'customer': ann}");
  EXPECT_EQ(outcome_of("{no_rows: 'SELECT 1 FROM daily', otherwise: warn}"),
            "warned|2.0|2 rows, the first: {'1': 1}");
  EXPECT_EQ(outcome_of("{no_rows: SELECT id FROM orders WHERE amount > 4}"), "passed|0.0|");
}

TEST(Checks, RowsAreCounted) {
  EXPECT_EQ(outcome_of("{rows: {min: 1, max: 2}}"), "passed|2.0|");
  EXPECT_EQ(outcome_of("{rows: {min: 3}}"), "failed|2.0|2 rows, fewer than 3");
  EXPECT_EQ(outcome_of("{rows: {max: 1}, otherwise: warn}"), "warned|2.0|2 rows, more than 1");
}

TEST(Checks, UniqueLooksAtAllItsColumns) {
  EXPECT_EQ(outcome_of("{unique: customer}"), "passed|0.0|");
  EXPECT_EQ(outcome_of("{unique: [day]}"),
            "failed|1.0|1 rows, the first: {'day': 2026-11-20, 'rows': 2}");
  EXPECT_EQ(outcome_of("{unique: [day, customer]}"), "passed|0.0|");
}

TEST(Checks, ReferencesMustBeThere) {
  EXPECT_EQ(outcome_of("{references: {column: customer, table: orders, key: customer}}"),
            "passed|0.0|");
  EXPECT_EQ(outcome_of("{references: {column: customer, table: orders, key: id}}"),
            "failed|2.0|2 rows, the first: {'customer': ann}");
}

// The day ends at 23:00 UTC, in Berlin.
TEST(Checks, FreshnessIsSeenFromThePartitionsEnd) {
  EXPECT_EQ(outcome_of("{fresh: {column: newest, within: 10h}}"), "passed|32400.0|");
  EXPECT_EQ(outcome_of("{fresh: {column: newest, within: 8h}}"),
            "failed|32400.0|the newest value is 9h old, more than 8h");
}

TEST(Checks, DriftIsSeenAgainstTheRunsBefore) {
  JobsBench bench(daily("{drift: {of: sum(orders), runs: 4, within: 50%}}"));
  const auto sell = [&](const std::string& day, int count) {
    for (int i = 0; i < count; ++i) bench.order("ann", "1", day + "T12:00:00Z");
  };
  auto jobs = bench.open();
  for (const auto* day : {"2026-11-10", "2026-11-11", "2026-11-12"}) sell(day, 2);
  ASSERT_EQ(jobs->run("daily").value().size(), 3U);
  sell("2026-11-13", 4);
  const auto runs = jobs->run("daily").value();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].status, RunStatus::Failed);
  EXPECT_THAT(runs[0].error, HasSubstr("4 is farther than 50% from 2, the mean of 3 runs before"));
  EXPECT_EQ(bench.rows("SELECT DISTINCT outcome, value FROM _checks ORDER BY ALL"),
            "failed|4.0, passed|2.0");
  sell("2026-11-14", 3);
  EXPECT_EQ(jobs->run("daily", "2026-11-14").value()[0].status, RunStatus::Succeeded)
      << "what failed is not what others are compared with";
}

TEST(Checks, ReconcileIsWrittenToo) {
  JobsBench bench(shop(
      "jobs:\n  daily:\n    each: day\n    sql: SELECT count(*) AS n FROM orders WHERE day = $day\n"
      "    reconcile:\n      - [SELECT sum(n) FROM daily, SELECT count(*) FROM orders]\n"));
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  bench.order("ann", "1", "2026-11-20T12:00:00Z");
  auto jobs = bench.open();
  const auto runs = jobs->run("daily").value();
  EXPECT_EQ(
      bench.rows("SELECT \"partition\", \"check\", outcome, coalesce(detail, '') FROM _checks "
                 "ORDER BY ALL"),
      "2026-11-19|reconcile 1|failed|1 is not 2, 2026-11-20|reconcile 1|failed|1 is not 2");
  EXPECT_THAT(bench.metrics.exposition(), HasSubstr("millrace_job_checks_total{check=\"reconcile 1"
                                                    "\",job_name=\"daily\",outcome=\"failed\"} 2"));
}

TEST(Checks, WhatIsWrongWithThemIsSaidAtTheStart) {
  const auto error_of = [](const std::string& expect) {
    JobsBench bench(daily(expect));
    const auto opened = Jobs::open(bench.parts());
    return opened ? "" : opened.error().text();
  };
  EXPECT_THAT(error_of("{unique: [custmer]}"), HasSubstr("did you mean 'customer'?"));
  EXPECT_THAT(error_of("{fresh: {column: total, within: 1h}}"),
              HasSubstr("a date or a timestamptz is needed"));
  EXPECT_THAT(error_of("{no_rows: SELECT nothing FROM daily}"), HasSubstr("nothing"));
  EXPECT_THAT(error_of("{no_rows: SELECT random() FROM daily}"), HasSubstr("random"));
  EXPECT_THAT(error_of("{drift: {of: sum(customer), within: 5%}}"), HasSubstr("expect c"));
  EXPECT_THAT(error_of("{references: {column: customer, table: orders, key: cust}}"),
              HasSubstr("cust"));
}

}  // namespace
}  // namespace millrace::batch
