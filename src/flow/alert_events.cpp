#include "flow/alert_events.hpp"

#include "flow/delivery.hpp"

namespace millrace::flow::events {
namespace {

using base::Level;

}  // namespace

void alert_settled(base::Telemetry telemetry, const DeliveryName& name, const AlertRow&,
                   AlertOutcome outcome, std::chrono::microseconds took) {
  if (outcome == AlertOutcome::Sent) {
    telemetry.metrics
        .histogram("millrace_alert_seconds",
                   "Time from a record's arrival until its alert was sent.", base::latency_bounds(),
                   {{"alert", name.alert}, {"target", name.target}})
        .observe(std::chrono::duration<double>(took).count());
  }
  telemetry.metrics
      .counter("millrace_alerts_total", "Rows whose alert ended.",
               {{"alert", name.alert},
                {"target", name.target},
                {"outcome", std::string(name_of(outcome))}})
      .add();
}

void alert_dead(base::Telemetry telemetry, const DeliveryName& name, const std::string& id,
                int attempts, const std::string& error) {
  telemetry.log.write(Level::Error, "alert.dead",
                      {{"alert", name.alert},
                       {"target", name.target},
                       {"id", id},
                       {"attempts", attempts},
                       {"error", error}});
}

void alert_retried(base::Telemetry telemetry, const DeliveryName& name, const AlertMessage& message,
                   std::chrono::microseconds wait) {
  telemetry.metrics
      .counter("millrace_alert_retries_total", "Attempts that failed and come again.",
               {{"alert", name.alert}, {"target", name.target}})
      .add();
  telemetry.log.write(message.attempts == 1 ? Level::Warn : Level::Debug, "alert.retried",
                      {{"alert", name.alert},
                       {"target", name.target},
                       {"id", message.id},
                       {"attempts", message.attempts},
                       {"wait_seconds", std::chrono::duration<double>(wait).count()},
                       {"error", message.error}});
}

void alert_reading_failed(base::Telemetry telemetry, const DeliveryName& name,
                          const base::Error& error) {
  telemetry.log.write(Level::Error, "alert.reading_failed",
                      {{"alert", name.alert}, {"target", name.target}, {"error", error.text()}});
}

void alert_history_failed(base::Telemetry telemetry, const base::Error& error) {
  telemetry.metrics
      .counter("millrace_alert_history_failures_total",
               "Commits of the alerts' history that failed and are tried again.")
      .add();
  telemetry.log.write(Level::Error, "alert.history_failed", {{"error", error.text()}});
}

void alert_gauges(base::Telemetry telemetry, const DeliveryStatus& status) {
  telemetry.metrics
      .gauge("millrace_alert_queue_messages", "Messages that are on their way.",
             {{"alert", status.name.alert}, {"target", status.name.target}})
      .set(static_cast<double>(status.queued));
  telemetry.metrics
      .gauge("millrace_alert_behind_records",
             "Visible records of the table whose alerts have not ended.",
             {{"alert", status.name.alert}, {"target", status.name.target}})
      .set(static_cast<double>(status.behind));
}

}  // namespace millrace::flow::events
