#include "lookup/events.hpp"

namespace millrace::lookup::events {

using base::Level;

namespace {

double seconds_since_epoch(base::Time at) {
  return std::chrono::duration<double>(at.time_since_epoch()).count();
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
  telemetry.metrics
      .gauge("millrace_lookup_loaded_timestamp_seconds",
             "When a lookup's present version was loaded.", {{"lookup", lookup}})
      .set(seconds_since_epoch(at));
  // From the start on, so that an alert on its growth sees the first failure.
  failures_of(telemetry, lookup).add(0);
  found_unchanged(telemetry, lookup, at);
  telemetry.log.write(Level::Info, "lookup.loaded", {{"lookup", lookup}, {"rows", rows}});
}

void found_unchanged(base::Telemetry telemetry, const std::string& lookup, base::Time at) {
  telemetry.metrics
      .gauge("millrace_lookup_current_timestamp_seconds",
             "When a lookup was last known to be what its file says; its age is counted from then.",
             {{"lookup", lookup}})
      .set(seconds_since_epoch(at));
}

void load_failed(base::Telemetry telemetry, const std::string& lookup, const std::string& error) {
  failures_of(telemetry, lookup).add();
  telemetry.log.write(Level::Warn, "lookup.load_failed", {{"lookup", lookup}, {"error", error}});
}

}  // namespace millrace::lookup::events
