#include "app/lambda_metrics.hpp"

#include <algorithm>
#include <cstdio>

#include "serve/events.hpp"
#include "watch/embedded.hpp"

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

constexpr auto kGaugesEvery = 10s;

config::MetricsExport what_of(const config::MetricsTargets& targets) {
  if (targets.embedded) return targets.embedded->what;
  if (targets.cloudwatch) return *targets.cloudwatch;
  return {.name_space = "Millrace",
          .every = 1min,
          .dimensions = {},
          .labels = {"event", "job", "source", "table"}};
}

bool is_zero(const aws::MetricDatum& datum) {
  return std::ranges::all_of(datum.values, [](double value) { return value == 0; });
}

bool is_gauge(const base::MetricFamily& family) {
  return family.kind == base::MetricKind::Gauge;
}

}  // namespace

LambdaMetrics::LambdaMetrics(const config::MetricsTargets& targets, World& world)
    : what_(what_of(targets)), world_(world), counts_(what_), gauges_(what_) {}

void LambdaMetrics::write() {
  const auto now = world_.clock.steady_now();
  const bool is_due = now - gauges_at_ >= kGaugesEvery;
  if (is_due) serve::events::saw_process(world_.telemetry());
  auto families = world_.metrics.snapshot();
  std::vector<base::MetricFamily> gauges;
  std::ranges::copy_if(families, std::back_inserter(gauges), is_gauge);
  std::erase_if(families, is_gauge);
  write_counts(std::move(families));
  if (!is_due) return;
  gauges_at_ = now;
  write_gauges(std::move(gauges));
}

void LambdaMetrics::write_counts(std::vector<base::MetricFamily> families) {
  auto data = counts_.take(families).data;
  std::erase_if(data, is_zero);
  print(data);
}

// That something is no more is said once.
void LambdaMetrics::write_gauges(std::vector<base::MetricFamily> families) {
  auto data = gauges_.take(families).data;
  std::set<Key> told;
  std::erase_if(data, [&](const auto& datum) {
    const Key key{datum.name, datum.dimensions};
    if (is_zero(datum)) return !told_.contains(key);
    told.insert(key);
    return false;
  });
  told_ = std::move(told);
  print(data);
}

void LambdaMetrics::print(const std::vector<aws::MetricDatum>& data) {
  const aws::CloudWatchOptions format{.name_space = what_.name_space,
                                      .is_high_resolution = what_.every < 1min};
  std::string text;
  for (const auto& line : watch::embedded_lines(data, world_.clock.now(), format)) {
    text += line + "\n";
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace millrace::app
