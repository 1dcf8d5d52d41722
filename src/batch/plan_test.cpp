#include "batch/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batch/job_sql.hpp"
#include "batch/reports.hpp"
#include "batch/test_bench.hpp"
#include "flow/row_sql.hpp"

namespace millrace::batch {
namespace {

std::vector<std::string> problems(const std::string& jobs) {
  const auto pipeline = pipeline_of(shop(jobs));
  auto engine = std::move(sql::Instance::open({.time_zone = pipeline.timezone})).value();
  std::vector<std::string> texts;
  for (const auto& error :
       check_jobs(pipeline, {{"orders", JobsBench::order_columns()}}, *engine)) {
    texts.push_back(error.text());
  }
  return texts;
}

std::string problem(const std::string& jobs) {
  const auto all = problems(jobs);
  return all.empty() ? "" : all.front();
}

std::string daily(const std::string& sql, const std::string& more = "") {
  return "jobs:\n  daily:\n    each: day\n    sql: " + sql + "\n" + more;
}

JobPlans planned(const std::string& jobs) {
  const auto pipeline = pipeline_of(shop(jobs));
  auto engine = std::move(sql::Instance::open({.time_zone = pipeline.timezone})).value();
  return plan_jobs(pipeline, {{"orders", JobsBench::order_columns()}}, *engine);
}

using testing::HasSubstr;

TEST(JobPlan, PutsTheDayFirstAndSumsIntoDecimals) {
  const auto plans =
      planned(daily("SELECT customer, sum(1) AS n, sum(amount) AS total FROM orders WHERE day = "
                    "$day GROUP BY ALL"));
  ASSERT_EQ(plans.plans.size(), 1U);
  std::string columns;
  for (const auto& column : plans.plans[0].schema) {
    columns += column.name + " " + column.type.text() + "; ";
  }
  EXPECT_EQ(columns, "day DATE; customer VARCHAR; n DECIMAL(38,0); total DECIMAL(38,2); ");
}

TEST(JobPlan, SaysWhereInTheFileTheSqlIsWrong) {
  EXPECT_EQ(problem(daily("SELECT custmer FROM orders WHERE day = $day")).substr(0, 27),
            "/test/shop.yaml:16:17: Refe");
  EXPECT_THAT(problem(daily("SELECT 1 AS a FROM ordres WHERE $day = $day")),
              HasSubstr("shop.yaml:16:29: there is no table 'ordres'; did you mean 'orders'?"));
  EXPECT_THAT(problem(daily("SELECT FROM FROM orders WHERE day = $day")),
              HasSubstr("shop.yaml:16"));
  EXPECT_THAT(problem(daily("SELECT a FROM orders WHERE day = $day; DROP TABLE orders")),
              HasSubstr("shop.yaml:16"));
}

TEST(JobPlan, RefusesWhatDoesNotDependOnTablesAlone) {
  EXPECT_THAT(problem(daily("SELECT now() AS t FROM orders WHERE day = $day")),
              HasSubstr("now gives another answer each time"));
  EXPECT_THAT(problem(daily("SELECT id FROM orders WHERE day = $day AND ts < current_timestamp")),
              HasSubstr("another answer each time"));
  EXPECT_THAT(problem(daily("SELECT id, random() AS r FROM orders WHERE day = $day")),
              HasSubstr("random gives another answer"));
  EXPECT_THAT(problem(daily("FROM read_csv('/etc/passwd') WHERE $day = $day")),
              HasSubstr("a job reads tables only, not read_csv()"));
  EXPECT_THAT(problem(daily("SELECT id FROM orders, '/etc/x.parquet' WHERE day = $day")),
              HasSubstr("there is no table '/etc/x.parquet'"));
  EXPECT_THAT(problem(daily("SELECT 1 AS one WHERE $day = $day")), HasSubstr("reads a table at"));
  EXPECT_THAT(problem(daily("SELECT id FROM orders WHERE day = $day AND id = $id")),
              HasSubstr("there is no $id; this job has $day"));
}

TEST(JobPlan, RefusesColumnsThatATableCannotHold) {
  EXPECT_THAT(problem(daily("SELECT CAST(ts AS TIMESTAMP) AS t FROM orders WHERE day = $day")),
              HasSubstr("AT TIME ZONE 'UTC' gives a TIMESTAMPTZ"));
  EXPECT_THAT(problem(daily("SELECT CAST(1 AS UHUGEINT) AS n FROM orders WHERE day = $day")),
              HasSubstr("cast it to DECIMAL(38,0)"));
  EXPECT_THAT(problem(daily("SELECT day, id FROM orders WHERE day = $day")),
              HasSubstr("leave it out of the SELECT"));
  EXPECT_THAT(problem(daily("SELECT id, ID FROM orders WHERE day = $day")),
              HasSubstr("rename one with AS"));
}

TEST(JobPlan, ChecksBothSidesOfReconcile) {
  const std::string sql = "SELECT sum(amount) AS total FROM orders WHERE day = $day";
  const auto reconcile = [&](const std::string& pair) {
    return problem(daily(sql, "    reconcile: [[" + pair + "]]\n"));
  };
  EXPECT_EQ(reconcile("SELECT sum(total) FROM daily, SELECT sum(amount) FROM orders"), "");
  EXPECT_THAT(reconcile("SELECT sum(totl) FROM daily, SELECT 1"),
              HasSubstr("shop.yaml:17:29: Referenced column \"totl\""));
  EXPECT_THAT(reconcile("SELECT 1, \"SELECT total, day FROM daily\""),
              HasSubstr("gives one value; this has 2 columns"));
  EXPECT_THAT(reconcile("SELECT now(), SELECT 1"), HasSubstr("another answer each time"));
  EXPECT_THAT(reconcile("SELECT sum(x) FROM nowhere, SELECT 1"), HasSubstr("no table 'nowhere'"));
}

TEST(JobPlan, PutsJobsInTheOrderOfWhatTheyRead) {
  const auto plans = planned(R"(
jobs:
  c: {sql: SELECT count(*) AS n FROM b}
  b: {sql: SELECT count(*) AS n FROM a}
  a: {sql: SELECT count(*) AS n FROM orders}
)");
  std::string order;
  for (const auto& plan : plans.plans) order += plan.job.name;
  EXPECT_EQ(order, "abc");
  EXPECT_THAT(problem("jobs:\n  a: {sql: SELECT n FROM b}\n  b: {sql: SELECT n FROM a}\n"),
              HasSubstr("job 'a' reads its own table, by way of 'b'"));
  EXPECT_THAT(problem("jobs:\n  a: {sql: SELECT n FROM a}\n"), HasSubstr("job 'a' reads its own"));
}

TEST(JobPlan, SaysWhatIsWrongWithEachJobOnce) {
  const auto all = problems(R"(
jobs:
  a: {sql: SELECT nothing FROM orders}
  b: {sql: SELECT nothing FROM a}
  c: {sql: SELECT nothing FROM orders}
)");
  EXPECT_EQ(all.size(), 2U) << testing::PrintToString(all);
}

TEST(JobPlan, KnowsWhenTheSqlKeepsToItsPartition) {
  auto engine = std::move(sql::Instance::open({})).value();
  auto connection = engine->connect().value();
  const auto varying = flow::varying_functions(connection).value();
  const auto stays = [&](const std::string& where, config::Each each = config::Each::Day) {
    config::Job job;
    job.each = each;
    job.each_column = each == config::Each::Day ? "day" : "hour";
    return parse_job_sql(connection, "SELECT count(*) FROM t WHERE " + where, job, varying)
        .value()
        .stays_within;
  };
  for (const auto* where :
       {"day = $day", "$day = day AND a > 1", "CAST(ts AS DATE) = $day",
        "ts >= $day AND ts < $day + 1", "ts >= $day AND ts < $day + INTERVAL 1 DAY",
        "day BETWEEN $day AND $day", "day = $day AND (a = 1 OR NOT b)"}) {
    EXPECT_TRUE(stays(where)) << where;
  }
  for (const auto* where :
       {"day <= $day", "day > $day - 7 AND day <= $day", "day = $day OR a = 1", "NOT (day = $day)",
        "day <> $day", "ts >= $day", "ts >= $day AND ts < $day + 2", "month(day) = month($day)",
        "day BETWEEN $day - 6 AND $day", "day = $day + 1"}) {
    EXPECT_FALSE(stays(where)) << where;
  }
  EXPECT_TRUE(stays("ts >= $hour AND ts < $hour + INTERVAL 1 HOUR", config::Each::Hour));
  EXPECT_TRUE(stays("ts >= $hour AND ts < $hour + INTERVAL '1 hour'", config::Each::Hour));
  EXPECT_FALSE(stays("ts >= $hour AND ts < $hour + INTERVAL 1 DAY", config::Each::Hour));
}

TEST(JobPlan, KnowsOfWhichTablesTheSqlReadsThePartitionOnly) {
  auto engine = std::move(sql::Instance::open({})).value();
  auto connection = engine->connect().value();
  const auto varying = flow::varying_functions(connection).value();
  const auto within = [&](const std::string& text) {
    config::Job job;
    job.each = config::Each::Day;
    job.each_column = "day";
    const auto parsed = parse_job_sql(connection, text, job, varying).value();
    std::string names;
    for (const auto& name : parsed.within) names += (names.empty() ? "" : " ") + name;
    return names;
  };
  EXPECT_EQ(within("SELECT sum(a) FROM T WHERE Day = $day AND (b OR c) GROUP BY d"), "t");
  EXPECT_EQ(within("SELECT 1 FROM t x WHERE $day = x.day AND b"), "t");
  EXPECT_EQ(within("SELECT 1 FROM t JOIN u ON t.a = u.a WHERE t.day = $day"), "t");
  EXPECT_EQ(within("SELECT 1 FROM t LEFT JOIN u ON t.a = u.a WHERE t.day = $day AND u.day = $day"),
            "t u");
  EXPECT_EQ(within("SELECT 1 FROM t, u WHERE t.day = $day"), "t");
  EXPECT_EQ(within("WITH w AS (SELECT * FROM t WHERE day = $day) SELECT 1 FROM w"), "t");
  EXPECT_EQ(within("SELECT * FROM t WHERE day = $day UNION ALL SELECT * FROM t WHERE $day = day"),
            "t");
  EXPECT_EQ(within("SELECT (SELECT max(a) FROM u WHERE day = $day) FROM t WHERE day = $day"),
            "t u");
  for (const auto* text :
       {"SELECT (SELECT max(a) FROM t) FROM t WHERE day = $day",
        "SELECT 1 FROM t WHERE day = $day OR a", "SELECT 1 FROM t WHERE NOT (day = $day)",
        "SELECT 1 FROM t WHERE day = $day + 1", "SELECT 1 FROM t WHERE CAST(ts AS DATE) = $day",
        "SELECT 1 FROM t WHERE CAST(day AS VARCHAR) = $day",
        "SELECT 1 FROM t WHERE day = CAST($day AS TIMESTAMP)",
        "SELECT 1 FROM t AS x(day, a) WHERE x.day = $day",
        "SELECT 1 FROM t JOIN u USING (a) WHERE day = $day",
        "SELECT 1 FROM (FROM t) x WHERE x.day = $day",
        "SELECT 1 FROM u ASOF JOIN t ON u.a >= t.a WHERE t.day = $day",
        "SELECT 1 FROM u POSITIONAL JOIN t WHERE t.day = $day",
        "SELECT 1 FROM t WHERE a IN (SELECT a FROM t) AND day = $day",
        "SELECT 1 FROM t GROUP BY day HAVING day = $day",
        "SELECT * FROM t WHERE day = $day UNION ALL SELECT * FROM t"}) {
    EXPECT_EQ(within(text), "") << text;
  }
}

TEST(JobSql, PutsTheParameterInWhereItIsOneOnly) {
  EXPECT_EQ(with_parameter("a = $day AND b = '$day' -- $day\n AND \"$day\" = $days /* $day */ $day",
                           "day", "X"),
            "a = (X) AND b = '$day' -- $day\n AND \"$day\" = $days /* $day */ (X)");
  EXPECT_EQ(with_parameter("'it''s $day' || E'\\'$day' || $$ $day $$ || $t$ $day $t$ || $day",
                           "day", "X"),
            "'it''s $day' || E'\\'$day' || $$ $day $$ || $t$ $day $t$ || (X)");
}

config::Report report(const std::string& body) {
  return pipeline_of(shop("reports:\n  top:\n" + body)).reports.at(0);
}

TEST(Report, BindsTypedParametersAndDefaults) {
  const auto top = report(
      "    sql: SELECT 1\n    parameters: {limit: 20, day: {type: date}, least: {type: "
      "\"decimal(6,2)\", default: 0}}\n");
  const auto values = bind_parameters(top, {{"day", "2026-11-20"}, {"least", "-12.50"}}).value();
  EXPECT_EQ(std::get<std::int64_t>(values.at("limit")), 20);
  EXPECT_EQ(std::get<sql::Date>(values.at("day")).days, 20'777);
  EXPECT_EQ(std::get<std::string>(values.at("least")), "-12.50");
  const auto error = [&](std::map<std::string, std::string> given) {
    return bind_parameters(top, given).error().message;
  };
  EXPECT_EQ(error({}), "report 'top' needs the parameter 'day' (DATE, like 2026-11-20)");
  EXPECT_THAT(error({{"day", "2026-11-20"}, {"limt", "1"}}),
              HasSubstr("has no parameter 'limt'; did you mean 'limit'?"));
  EXPECT_THAT(error({{"day", "tomorrow"}}), HasSubstr("'tomorrow' is not a DATE"));
  EXPECT_THAT(error({{"day", "2026-11-20"}, {"limit", "10x"}}), HasSubstr("'10x' is not a BIGINT"));
  for (const auto* text : {"12345.00", "1.234", "1.2.3", "", "-", "1e3", "nan"}) {
    EXPECT_THAT(error({{"day", "2026-11-20"}, {"least", text}}), HasSubstr("is not a DECIMAL(6,2)"))
        << text;
  }
}

TEST(Report, IsCheckedAgainstTablesJobsAndRuns) {
  const auto wrong = [](const std::string& body) {
    return problem(daily("SELECT sum(amount) AS total FROM orders WHERE day = $day",
                         "reports:\n  top:\n" + body));
  };
  EXPECT_EQ(wrong("    sql: SELECT day, total FROM daily LIMIT $limit\n    parameters: {limit: "
                  "2}\n    chart: {bar: total, by: day}\n"),
            "");
  EXPECT_EQ(wrong("    sql: SELECT job, status FROM _runs\n"), "");
  EXPECT_EQ(wrong("    sql: SELECT reason, count(*) FROM _rejects GROUP BY ALL\n"), "");
  EXPECT_THAT(wrong("    sql: SELECT totl FROM daily\n"), HasSubstr("shop.yaml:19:17: Referenced"));
  EXPECT_THAT(wrong("    sql: SELECT $a\n"), HasSubstr("$a, which `parameters` does not name"));
  EXPECT_THAT(wrong("    sql: SELECT 1\n    parameters: {a: 1}\n"), HasSubstr("does not use the"));
  EXPECT_THAT(wrong("    sql: SELECT total FROM daily\n    chart: {bar: totl, by: total}\n"),
              HasSubstr("gives no column 'totl'; did you mean 'total'?"));
}

}  // namespace
}  // namespace millrace::batch
