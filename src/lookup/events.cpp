#include "lookup/events.hpp"

namespace millrace::lookup::events {

using base::Level;

namespace {

void set_time(base::Telemetry telemetry, const std::string& lookup, const char* metric,
              const char* help, base::Time at) {
  const std::chrono::duration<double> since_epoch = at.time_since_epoch();
  telemetry.metrics.gauge(metric, help, {{"lookup", lookup}}).set(since_epoch.count());
}

base::Counter failures_of(base::Telemetry telemetry, const std::string& lookup) {
  return telemetry.metrics.counter("millrace_lookup_failures_total",
                                   "Loads of a lookup that failed; the last good version stays.",
                                   {{"lookup", lookup}});
}

}  // namespace

void loaded(base::Telemetry telemetry, const std::string& lookup, std::size_t rows, base::Time at) {
  telemetry.metrics.gauge("millrace_lookup_rows", "Rows of a lookup.", {{"lookup", lookup}})
      .set(static_cast<double>(rows));
  set_time(telemetry, lookup, "millrace_lookup_loaded_timestamp_seconds",
           "When a lookup's present version was loaded.", at);
  // From the start on, so that an alert on its growth sees the first failure.
  failures_of(telemetry, lookup).add(0);
  found_unchanged(telemetry, lookup, at);
  telemetry.log.write(Level::Info, "lookup.loaded", {{"lookup", lookup}, {"rows", rows}});
}

void found_unchanged(base::Telemetry telemetry, const std::string& lookup, base::Time at) {
  set_time(telemetry, lookup, "millrace_lookup_current_timestamp_seconds",
           "When a lookup was last known to be what its file says; its age is counted from then.",
           at);
}

void load_failed(base::Telemetry telemetry, const std::string& lookup, const std::string& error) {
  failures_of(telemetry, lookup).add();
  telemetry.log.write(Level::Warn, "lookup.load_failed", {{"lookup", lookup}, {"error", error}});
}

}  // namespace millrace::lookup::events
