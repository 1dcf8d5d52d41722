#include "aws/events.hpp"

#include <string>

namespace millrace::aws::events {

using base::Level;

void credentials_fetched(base::Telemetry telemetry, std::string_view source,
                         std::optional<base::Time> expires_at) {
  telemetry.log.write(
      Level::Info, "aws.credentials_fetched",
      {{"source", source}, {"expires_at", expires_at ? base::format_time(*expires_at) : "never"}});
}

void credentials_failed(base::Telemetry telemetry, std::string_view source,
                        const base::Error& error) {
  telemetry.metrics
      .counter("millrace_aws_credential_failures_total", "Credentials that could not be fetched.")
      .add();
  telemetry.log.write(Level::Warn, "aws.credentials_failed",
                      {{"source", source}, {"error", error.text()}});
}

void called(base::Telemetry telemetry, std::string_view service, std::string_view outcome) {
  telemetry.metrics
      .counter("millrace_aws_calls_total", "Calls of AWS services by their outcome.",
               {{"service", std::string(service)}, {"outcome", std::string(outcome)}})
      .add();
}

void retried(base::Telemetry telemetry, std::string_view service, std::string_view reason) {
  telemetry.metrics
      .counter("millrace_aws_retries_total", "Attempts after the first, by why they were made.",
               {{"service", std::string(service)}, {"reason", std::string(reason)}})
      .add();
}

void ambiguous(base::Telemetry telemetry, std::string_view service) {
  telemetry.metrics
      .counter("millrace_aws_ambiguous_total",
               "Requests of which it is not known whether they were done.",
               {{"service", std::string(service)}})
      .add();
}

void clock_corrected(base::Telemetry telemetry, std::chrono::seconds skew) {
  telemetry.log.write(Level::Warn, "aws.clock_corrected",
                      {{"skew_seconds", static_cast<std::int64_t>(skew.count())},
                       {"mend", "set this machine's clock (NTP)"}});
}

}  // namespace millrace::aws::events
