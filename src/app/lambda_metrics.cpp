#include "app/lambda_metrics.hpp"

#include <algorithm>
#include <cstdio>

#include "serve/events.hpp"
#include "watch/embedded.hpp"

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

// A function may be frozen for good after any answer: what it counted should not be lost. Each line
// costs as log lines do.
constexpr auto kOften = 10s;

config::MetricsExport what_of(const config::MetricsTargets& targets) {
  if (targets.embedded) return targets.embedded->what;
  if (targets.cloudwatch) return *targets.cloudwatch;
  return {.name_space = "Millrace", .every = 1min, .dimensions = {}, .labels = {"source", "table"}};
}

bool is_zero(const aws::MetricDatum& datum) {
  return std::ranges::all_of(datum.values, [](double value) { return value == 0; });
}

}  // namespace

LambdaMetrics::LambdaMetrics(const config::MetricsTargets& targets, World& world)
    : what_(what_of(targets)), world_(world), taker_(what_) {}

void LambdaMetrics::write_due() {
  const auto pause = std::min<std::chrono::microseconds>(what_.every, kOften);
  if (world_.clock.steady_now() - written_at_ >= pause) write();
}

void LambdaMetrics::write() {
  written_at_ = world_.clock.steady_now();
  serve::events::saw_process(world_.telemetry());
  auto data = taker_.take(world_.metrics.snapshot()).data;
  // That something is no more is said once.
  std::set<Key> told;
  std::erase_if(data, [&](const auto& datum) {
    const Key key{datum.name, datum.dimensions};
    if (is_zero(datum)) return !told_.contains(key);
    told.insert(key);
    return false;
  });
  told_ = std::move(told);
  std::string text;
  const aws::CloudWatchOptions format{.name_space = what_.name_space,
                                      .is_high_resolution = what_.every < 1min};
  for (const auto& line : watch::embedded_lines(data, world_.clock.now(), format)) {
    text += line + "\n";
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace millrace::app
