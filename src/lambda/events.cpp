#include "lambda/events.hpp"

namespace millrace::lambda::events {

using base::Level;

namespace {

double seconds(std::chrono::nanoseconds took) {
  return std::chrono::duration<double>(took).count();
}

}  // namespace

void invoked(base::Telemetry telemetry, std::string_view kind, std::size_t records,
             std::chrono::nanoseconds took) {
  const std::string name(kind);
  telemetry.metrics
      .histogram("millrace_lambda_invocation_seconds", "From an event to its answer.",
                 base::latency_bounds(), {{"event", name}})
      .observe(seconds(took));
  telemetry.metrics
      .counter("millrace_lambda_records_total", "Records that events brought.", {{"event", name}})
      .add(static_cast<double>(records));
}

void left_over(base::Telemetry telemetry, std::string_view kind, std::size_t records,
               const base::Error& error) {
  telemetry.metrics
      .counter("millrace_lambda_returned_total", "Records that are to come again.",
               {{"event", std::string(kind)}})
      .add(static_cast<double>(records));
  telemetry.log.write(Level::Warn, "lambda.records_returned",
                      {{"event", std::string(kind)},
                       {"records", std::to_string(records)},
                       {"reason", error.text()}});
}

void failed(base::Telemetry telemetry, const std::string& id, const base::Error& error) {
  telemetry.metrics
      .counter("millrace_lambda_failures_total", "Invocations that failed as a whole.",
               {{"code", std::string(base::name_of(error.code))}})
      .add(1);
  telemetry.log.write(Level::Error, "lambda.failed", {{"request", id}, {"reason", error.text()}});
}

void age(base::Telemetry telemetry, const std::string& source, std::chrono::nanoseconds age) {
  telemetry.metrics
      .histogram("millrace_lambda_age_seconds",
                 "Age of a batch's oldest record when the tables had committed it.",
                 base::latency_bounds(), {{"source", source}})
      .observe(seconds(age));
}

void transformed(base::Telemetry telemetry, std::string_view stream, const FirehoseAnswer& answer) {
  const auto count = [&](const char* outcome, std::size_t records) {
    if (records == 0) return;
    telemetry.metrics
        .counter("millrace_lambda_transformed_total", "Records that Firehose had transformed.",
                 {{"stream", std::string(stream)}, {"outcome", outcome}})
        .add(static_cast<double>(records));
  };
  count("ok", answer.passed);
  count("dropped", answer.dropped);
  count("failed", answer.failed - answer.too_large);
  count("too_large", answer.too_large);
}

void transform_rejected(base::Telemetry telemetry, std::string_view stream, std::size_t records,
                        const flow::Transformed& first) {
  telemetry.log.write(Level::Warn, "lambda.transform_rejected",
                      {{"stream", std::string(stream)},
                       {"records", std::to_string(records)},
                       {"reason", first.reason},
                       {"detail", first.detail}});
}

}  // namespace millrace::lambda::events
