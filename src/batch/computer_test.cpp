// How the rows of a partition come from a job's SQL into a file.
#include <gtest/gtest.h>

#include <algorithm>

#include "batch/test_bench.hpp"

namespace millrace::batch {
namespace {

std::string noon(int day) {
  return "2026-11-0" + std::to_string(day) + "T12:00:00Z";
}

// One partition after the other: what a worker learns of one is used for the next.
std::unique_ptr<Jobs> open(JobsBench& bench) {
  auto parts = bench.parts();
  parts.options.threads = 1;
  return Jobs::open(parts).value();
}

bool all_succeed(Jobs& jobs, const std::string& job, std::ptrdiff_t partitions) {
  const auto runs = jobs.run(job).value();
  return std::ranges::count(runs, RunStatus::Succeeded, &RunRow::status) == partitions &&
         std::ssize(runs) == partitions;
}

// After a partition of few rows the next ones go into their files without a table between: the
// judged job's do not.
TEST(Computer, FewRowsAreWhatTheyAreByTheOtherWay) {
  const std::string body = R"(
    each: day
    sql: |
      WITH orders AS (SELECT * FROM orders WHERE day = $day)
      SELECT customer, count(*) AS n, sum(amount) AS total, [amount, NULL] AS amounts,
             {a: [customer], b: CAST(NULL AS INTEGER)} AS nested, NULL::BLOB AS nothing,
             CAST('{"q": 1}' AS JSON) AS j, max(ts) AS newest,
             avg(CAST(amount AS DOUBLE)) AS mean, bool_and(amount > 1) AS all_large
      FROM orders GROUP BY customer, amount
)";
  JobsBench bench(shop("jobs:\n  few:" + body + "  judged:" + body +
                       "    expect: {some: {rows: {min: 1}}}\n  narrow:\n    each: day\n"
                       "    sql: SELECT customer FROM orders WHERE day = $day AND amount > 5\n"));
  for (int i = 1; i <= 6; ++i) {
    for (int k = 0; k < i; ++k) {
      bench.order(k % 3 == 0 ? "" : "c" + std::to_string(k), std::to_string(k % 2 * 7) + ".25",
                  noon(i));
    }
  }
  auto jobs = open(bench);
  for (const auto* job : {"few", "judged", "narrow"}) {
    EXPECT_TRUE(all_succeed(*jobs, job, 6)) << job;
  }
  EXPECT_EQ(bench.rows("SELECT count(*) FROM few"), "21");
  EXPECT_EQ(bench.rows("FROM few EXCEPT ALL FROM judged"), "");
  EXPECT_EQ(bench.rows("FROM judged EXCEPT ALL FROM few"), "");
  EXPECT_EQ(bench.rows("SELECT count(*), count(DISTINCT day) FROM narrow"),
            bench.rows("SELECT count(*), count(DISTINCT day) FROM orders WHERE amount > 5"));
  EXPECT_EQ(bench.board.table("narrow")->snapshot()->files.size(), 5U) << "day 1 has no rows";
}

// What is looked for among few rows must not be cut off where there are many.
TEST(Computer, ManyRowsAfterFewAreAllThere) {
  JobsBench bench(shop(R"(jobs:
  wide:
    each: day
    sql: SELECT unnest(range(CAST(amount AS BIGINT))) AS i FROM orders WHERE day = $day
)"));
  const std::vector<int> counts{3, 16'384, 16'385, 3, 3, 40'000, 3};
  std::string wanted;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto rows = std::to_string(counts[i]);
    bench.order("c", rows, noon(static_cast<int>(i) + 1));
    wanted += (i == 0 ? "" : ", ") + rows + "|" + rows;
  }
  auto jobs = open(bench);
  EXPECT_TRUE(all_succeed(*jobs, "wide", 7));
  EXPECT_EQ(bench.rows("SELECT count(*), count(DISTINCT i) FROM wide GROUP BY day ORDER BY day"),
            wanted);
}

// Each has enough memory by itself, and not beside others.
TEST(Computer, FewerAreComputedAtOnceWhereMemoryIsShort) {
  JobsBench bench(shop(R"(jobs:
  large:
    each: day
    retry: {attempts: 1}
    sql: >
      SELECT len(list(i || customer || repeat('x', 40) ORDER BY hash(i))) AS n
      FROM orders, range(200000) r(i) WHERE day = $day
)"));
  for (int i = 1; i <= 9; ++i) bench.order("c", "1", noon(i));
  ASSERT_TRUE(bench.engine->connect().value().run("SET memory_limit = '90MB'"));
  auto parts = bench.parts();
  parts.options.threads = 8;
  auto jobs = Jobs::open(parts).value();
  EXPECT_TRUE(all_succeed(*jobs, "large", 9));
  EXPECT_EQ(bench.rows("SELECT count(*), sum(n) FROM large"), "9|1800000");
  EXPECT_EQ(bench.rows("SELECT max(attempt) FROM _runs"), "1");
}

}  // namespace
}  // namespace millrace::batch
