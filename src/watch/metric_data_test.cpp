#include "watch/metric_data.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace millrace::watch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

config::MetricsExport export_of(std::set<std::string> labels) {
  return {.name_space = "Shop",
          .every = {},
          .dimensions = {{"pipeline", "p"}},
          .labels = std::move(labels)};
}

/// `name{pipeline=p,table=a} 3 Count`; of a distribution `0.5x2 1x7`.
std::vector<std::string> texts(const std::vector<aws::MetricDatum>& data) {
  std::vector<std::string> out;
  for (const auto& datum : data) {
    std::string text = datum.name + "{";
    for (const auto& [name, value] : datum.dimensions) {
      text += fmt::format("{}{}={}", text.ends_with('{') ? "" : ",", name, value);
    }
    text += "}";
    for (std::size_t i = 0; i < datum.values.size(); ++i) {
      text += fmt::format(" {:g}x{}", datum.values[i], datum.counts[i]);
    }
    out.push_back(fmt::format("{} {}", text, datum.unit));
  }
  return out;
}

TEST(MetricData, CountersAreWhatWasAdded) {
  base::Metrics metrics;
  MetricDataTaker taker(export_of({"table"}));
  metrics.counter("millrace_rows_total", "", {{"table", "a"}}).add(3);
  EXPECT_THAT(texts(taker.take(metrics.snapshot()).data),
              ElementsAre("millrace_rows_total{pipeline=p,table=a} 3x1 Count"));
  metrics.counter("millrace_rows_total", "", {{"table", "a"}}).add(2);
  metrics.counter("millrace_rows_total", "", {{"table", "b"}}).add(1);
  EXPECT_THAT(texts(taker.take(metrics.snapshot()).data),
              ElementsAre("millrace_rows_total{pipeline=p,table=a} 2x1 Count",
                          "millrace_rows_total{pipeline=p,table=b} 1x1 Count"));
  EXPECT_THAT(texts(taker.take(metrics.snapshot()).data),
              ElementsAre("millrace_rows_total{pipeline=p,table=a} 0x1 Count",
                          "millrace_rows_total{pipeline=p,table=b} 0x1 Count"));
}

TEST(MetricData, WhatDiffersInOtherLabelsIsPutTogether) {
  base::Metrics metrics;
  MetricDataTaker taker(export_of({}));
  metrics.counter("millrace_a_total", "", {{"table", "a"}}).add(3);
  metrics.counter("millrace_a_total", "", {{"table", "b"}}).add(4);
  metrics.gauge("millrace_b_seconds", "", {{"table", "a"}}).set(3);
  metrics.gauge("millrace_b_seconds", "", {{"table", "b"}}).set(9);
  metrics.gauge("millrace_b_seconds", "", {{"table", "c"}}).set(9);
  EXPECT_THAT(texts(taker.take(metrics.snapshot()).data),
              ElementsAre("millrace_a_total{pipeline=p} 7x1 Count",
                          "millrace_b_seconds{pipeline=p} 3x1 9x2 Seconds"));
}

TEST(MetricData, HistogramsAreDistributionsOfWhatWasObserved) {
  base::Metrics metrics;
  MetricDataTaker taker(export_of({}));
  auto histogram = metrics.histogram("millrace_wait_seconds", "", {0.1, 0.2, 0.4});
  EXPECT_THAT(texts(taker.take(metrics.snapshot()).data), IsEmpty());
  for (const double value : {0.05, 0.1, 0.15, 0.2}) histogram.observe(value);
  EXPECT_THAT(texts(taker.take(metrics.snapshot()).data),
              ElementsAre("millrace_wait_seconds{pipeline=p} 0.075x2 0.175x2 Seconds"));
  histogram.observe(0.3), histogram.observe(10), histogram.observe(20);
  EXPECT_THAT(texts(taker.take(metrics.snapshot()).data),
              ElementsAre("millrace_wait_seconds{pipeline=p} 0.4x1 14.95x2 Seconds"));
}

TEST(MetricData, ADistributionHasTheSumThatWasObserved) {
  for (const double sum : {0.0, 0.05, 3.0, 1000.0}) {
    aws::MetricDatum datum;
    spread({{0.1, 3}, {1, 2}, {std::numeric_limits<double>::infinity(), 1}}, sum, datum);
    double total = 0;
    for (std::size_t i = 0; i < datum.values.size(); ++i)
      total += datum.values[i] * datum.counts[i];
    EXPECT_NEAR(total, std::max(sum, 1.2), 1e-9);  // what lies in the buckets is 1.2 at least
  }
}

TEST(MetricData, LeavesOutWhatCloudWatchWouldRefuse) {
  base::Metrics metrics;
  MetricDataTaker taker(export_of({"stream", "table"}));
  metrics.gauge("millrace_a", "").set(std::numeric_limits<double>::quiet_NaN());
  metrics.gauge("millrace_b_bytes", "", {{"stream", "\xC3\xA4 b"}, {"table", " "}}).set(1);
  const auto taken = taker.take(metrics.snapshot());
  EXPECT_THAT(texts(taken.data), ElementsAre("millrace_b_bytes{pipeline=p,stream=?? b} 1x1 Bytes"));
  EXPECT_EQ(taken.left_out, 1U);
}

TEST(MetricData, KeepsToItsLimits) {
  base::Metrics metrics;
  MetricDataTaker taker(export_of({"stream"}));
  for (std::size_t i = 0; i < MetricDataTaker::kMetricsMax + 3; ++i) {
    metrics.counter("millrace_a_total", "", {{"stream", std::to_string(i)}}).add();
  }
  auto taken = taker.take(metrics.snapshot());
  EXPECT_EQ(taken.data.size(), MetricDataTaker::kMetricsMax);
  EXPECT_EQ(taken.left_out, 3U);

  base::Metrics gauges;
  for (int i = 1; i <= 200; ++i)
    gauges.gauge("millrace_b", "", {{"table", std::to_string(i)}}).set(i);
  EXPECT_THAT(texts(taker.take(gauges.snapshot()).data),
              ElementsAre("millrace_b{pipeline=p} 1x1 100.5x198 200x1 None"));
}

}  // namespace
}  // namespace millrace::watch
