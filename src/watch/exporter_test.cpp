#include "watch/exporter.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace millrace::watch {
namespace {

using namespace std::chrono_literals;

/// Counts, and holds up whoever calls if it is told to.
class FakeSink final : public MetricSink {
 public:
  explicit FakeSink(std::vector<double>& values, bool hangs) : values_(values), hangs_(hangs) {}
  std::string_view name() const override { return "fake"; }
  void take(std::vector<aws::MetricDatum> data, base::Time, const std::stop_token& stop) override {
    for (const auto& datum : data) values_.push_back(datum.values.at(0));
    while (hangs_ && aws::pause(1h, stop)) {
    }
  }

 private:
  std::vector<double>& values_;
  const bool hangs_;
};

struct Bench {
  std::vector<double> values;  // read after the exporter's end
  base::SystemClock clock;
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;

  ExporterParts parts(std::chrono::microseconds every, bool hangs = false) {
    return {.what = {.name_space = "Shop", .every = every, .dimensions = {}, .labels = {}},
            .sink = std::make_unique<FakeSink>(values, hangs),
            .clock = clock,
            .telemetry = {log, metrics}};
  }
};

TEST(Exporter, HandsOverWhatWasAddedAtItsEnd) {
  Bench bench;
  Exporter exporter(bench.parts(1h));
  bench.metrics.counter("millrace_rows_total", "").add(3);
  exporter.finish(1h);
  EXPECT_EQ(bench.values, (std::vector<double>{3}));
}

TEST(Exporter, HandsOverAgainAndAgain) {
  Bench bench;
  bench.metrics.counter("millrace_rows_total", "").add(3);
  {
    Exporter exporter(bench.parts(1ms));
    std::this_thread::sleep_for(20ms);
    exporter.finish(1h);
  }
  EXPECT_GE(bench.values.size(), 2U);
  EXPECT_EQ(bench.values.at(0), 3);
  EXPECT_EQ(bench.values.at(1), 0);
}

TEST(Exporter, EndsWithASinkThatHangs) {
  Bench bench;
  bench.metrics.counter("millrace_rows_total", "").add(3);
  Exporter exporter(bench.parts(1h, true));
  exporter.finish(1ms);
  EXPECT_LE(bench.values.size(), 1U);
  Exporter at_once(bench.parts(1h, true));
}

}  // namespace
}  // namespace millrace::watch
