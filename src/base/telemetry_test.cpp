#include "base/telemetry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace millrace::base {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string written(EventLog& log, std::initializer_list<Field> fields) {
  testing::internal::CaptureStderr();
  log.write(Level::Warn, "table.slow", fields);
  return testing::internal::GetCapturedStderr();
}

TEST(EventLog, WritesOneLinePerEvent) {
  EventLog log(LogFormat::Text, Level::Info);
  EXPECT_THAT(
      written(log, {{"table", "orders"}, {"rows", 3}, {"late", true}, {"why", "a b\n\"c\""}}),
      MatchesRegex("[0-9-]+T[0-9:.]+Z warn table\\.slow table=orders rows=3 late=true "
                   "why=\"a b[^\n]*c[^\n]*\"\n"));
}

TEST(EventLog, WritesJsonWithBareNumbers) {
  EventLog log(LogFormat::Json, Level::Info);
  const auto line = nlohmann::json::parse(
      written(log, {{"table", "a\x01"}, {"rows", 3}, {"late", false}, {"share", 0.5}}));
  EXPECT_EQ(line["level"], "warn");
  EXPECT_EQ(line["event"], "table.slow");
  EXPECT_EQ(line["table"], "a\\x01");
  EXPECT_EQ(line["rows"], 3);
  EXPECT_EQ(line["late"], false);
  EXPECT_EQ(line["share"], 0.5);
}

TEST(EventLog, ANumberThatJsonLacksIsText) {
  EventLog log(LogFormat::Json, Level::Info);
  const auto line =
      nlohmann::json::parse(written(log, {{"share", std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_THAT(line["share"].get<std::string>(), HasSubstr("nan"));
}

TEST(EventLog, DropsWhatIsBelowItsLevel) {
  EventLog log(LogFormat::Text, Level::Error);
  EXPECT_EQ(written(log, {}), "");
  EventLog silent = EventLog::silent();
  EXPECT_EQ(written(silent, {}), "");
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameNumber) {
  Metrics metrics;
  metrics.counter("millrace_rows_total", "Rows.", {{"table", "a"}}).add(2);
  metrics.counter("millrace_rows_total", "Rows.", {{"table", "a"}}).add();
  metrics.counter("millrace_rows_total", "Rows.", {{"table", "b"}}).add();
  const std::string text = metrics.exposition();
  EXPECT_THAT(text, HasSubstr("millrace_rows_total{table=\"a\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("millrace_rows_total{table=\"b\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE millrace_rows_total counter\n"));
}

TEST(Metrics, GaugesGoUpAndDownAndHistogramsCount) {
  Metrics metrics;
  auto gauge = metrics.gauge("millrace_lag_records", "Lag.");
  gauge.set(10);
  gauge.add(-3);
  auto histogram = metrics.histogram("millrace_query_seconds", "Time.", latency_bounds());
  histogram.observe(0.003);
  histogram.observe(1000);
  const std::string text = metrics.exposition();
  EXPECT_THAT(text, HasSubstr("millrace_lag_records 7\n"));
  EXPECT_THAT(text, HasSubstr("millrace_query_seconds_count 2\n"));
  EXPECT_THAT(text, HasSubstr("millrace_query_seconds_bucket{le=\"0.005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
}

TEST(Metrics, ASnapshotHasAllAsNumbers) {
  Metrics metrics;
  metrics.counter("millrace_rows_total", "Rows.", {{"table", "a"}}).add(3);
  metrics.gauge("millrace_lag_records", "Lag.").set(7);
  auto histogram = metrics.histogram("millrace_query_seconds", "Time.", {0.1, 1});
  for (const double value : {0.05, 0.5, 0.6, 30.0}) histogram.observe(value);
  std::map<std::string, MetricFamily> families;
  for (auto& family : metrics.snapshot()) families[family.name] = std::move(family);
  ASSERT_EQ(families.size(), 3U);
  EXPECT_EQ(families["millrace_rows_total"].kind, MetricKind::Counter);
  EXPECT_EQ(families["millrace_rows_total"].samples.at(0).labels, (Labels{{"table", "a"}}));
  EXPECT_EQ(families["millrace_rows_total"].samples.at(0).value, 3);
  EXPECT_EQ(families["millrace_lag_records"].kind, MetricKind::Gauge);
  EXPECT_EQ(families["millrace_lag_records"].samples.at(0).value, 7);
  const auto& observed = families["millrace_query_seconds"];
  EXPECT_EQ(observed.kind, MetricKind::Histogram);
  EXPECT_DOUBLE_EQ(observed.samples.at(0).value, 31.15);
  std::vector<std::uint64_t> counts;
  for (const auto& bucket : observed.samples.at(0).buckets) counts.push_back(bucket.count);
  EXPECT_EQ(counts, (std::vector<std::uint64_t>{1, 2, 1}));
}

}  // namespace
}  // namespace millrace::base
