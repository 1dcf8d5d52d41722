#include "app/metrics_exports.hpp"

#include "serve/events.hpp"
#include "watch/cloudwatch_sink.hpp"
#include "watch/embedded_sink.hpp"

namespace millrace::app {

using base::Result;

namespace {

constexpr auto kFinish = std::chrono::seconds(5);
// A metric that is sent more often is kept by the second.
constexpr auto kUsualResolution = std::chrono::minutes(1);

aws::CloudWatchOptions options_of(const config::MetricsExport& what) {
  return {.name_space = what.name_space, .is_high_resolution = what.every < kUsualResolution};
}

Result<std::unique_ptr<watch::MetricSink>> open_cloudwatch(const config::MetricsExport& what,
                                                           World& world) {
  auto* session = TRY(world.aws.session().context("metrics for CloudWatch"));
  TRY(session->settings().endpoint(aws::kCloudWatch).context("metrics for CloudWatch"));
  return std::unique_ptr<watch::MetricSink>(std::make_unique<watch::CloudWatchSink>(
      session->client(), watch::CloudWatchSink::Options{.cloudwatch = options_of(what)},
      world.clock, world.telemetry()));
}

}  // namespace

void measure_disk(World& world, const os::Path& data) {
  if (const auto free = world.disk.space_free(data)) {
    serve::events::saw_disk(world.telemetry(), free.value());
  }
}

Result<std::unique_ptr<MetricsExports>> MetricsExports::start(const config::MetricsTargets& targets,
                                                              World& world, os::Path data) {
  std::unique_ptr<MetricsExports> exports(new MetricsExports);
  const auto add = [&](const config::MetricsExport& what, std::unique_ptr<watch::MetricSink> sink) {
    exports->exporters_.push_back(std::make_unique<watch::Exporter>(
        watch::ExporterParts{what, std::move(sink), world.clock, world.telemetry(), [&world, data] {
                               serve::events::saw_process(world.telemetry());
                               measure_disk(world, data);
                             }}));
  };
  if (targets.cloudwatch) {
    add(*targets.cloudwatch, TRY(open_cloudwatch(*targets.cloudwatch, world)));
  }
  if (targets.embedded) {
    const auto& [what, to] = *targets.embedded;
    add(what, std::make_unique<watch::EmbeddedSink>(
                  watch::EmbeddedSink::Options{.format = options_of(what), .to = to}, world.disk,
                  world.telemetry()));
  }
  return exports;
}

MetricsExports::~MetricsExports() {
  for (auto& exporter : exporters_) exporter->finish(kFinish);
}

}  // namespace millrace::app
