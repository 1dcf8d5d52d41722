#include "watch/events.hpp"

#include <string>

namespace millrace::watch::events {

using base::Level;

void sent(base::Telemetry telemetry, std::string_view to, std::size_t count) {
  telemetry.metrics
      .counter("millrace_metrics_sent_total", "Metric data that were sent.",
               {{"to", std::string(to)}})
      .add(static_cast<double>(count));
}

void failing(base::Telemetry telemetry, std::string_view to, const base::Error& error,
             std::string_view mend) {
  telemetry.log.write(Level::Warn, "metrics.not_sent",
                      {{"to", to}, {"error", error.text()}, {"mend", mend}});
}

void works_again(base::Telemetry telemetry, std::string_view to) {
  telemetry.log.write(Level::Info, "metrics.sent_again", {{"to", to}});
}

void dropped(base::Telemetry telemetry, std::string_view to, std::string_view reason,
             std::size_t count) {
  telemetry.metrics
      .counter("millrace_metrics_dropped_total", "Metric data that were not sent, by why.",
               {{"to", std::string(to)}, {"reason", std::string(reason)}})
      .add(static_cast<double>(count));
}

void queued(base::Telemetry telemetry, std::string_view to, std::size_t bytes) {
  telemetry.metrics
      .gauge("millrace_metrics_queue_bytes", "Metric data that wait to be sent.",
             {{"to", std::string(to)}})
      .set(static_cast<double>(bytes));
}

}  // namespace millrace::watch::events
