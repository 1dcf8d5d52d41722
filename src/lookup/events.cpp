#include "lookup/events.hpp"

namespace millrace::lookup::events {

using base::Level;

void loaded(base::Telemetry telemetry, const std::string& lookup, std::size_t rows, base::Time at) {
  const std::chrono::duration<double> since_epoch = at.time_since_epoch();
  telemetry.metrics.gauge("millrace_lookup_rows", "Rows of a lookup.", {{"lookup", lookup}})
      .set(static_cast<double>(rows));
  telemetry.metrics
      .gauge("millrace_lookup_loaded_timestamp_seconds",
             "When a lookup's present version was loaded.", {{"lookup", lookup}})
      .set(since_epoch.count());
  telemetry.log.write(Level::Info, "lookup.loaded", {{"lookup", lookup}, {"rows", rows}});
}

void load_failed(base::Telemetry telemetry, const std::string& lookup, const std::string& error) {
  telemetry.metrics
      .counter("millrace_lookup_failures_total",
               "Loads of a lookup that failed; the last good version stays.", {{"lookup", lookup}})
      .add();
  telemetry.log.write(Level::Warn, "lookup.load_failed", {{"lookup", lookup}, {"error", error}});
}

}  // namespace millrace::lookup::events
