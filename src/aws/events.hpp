#pragma once

#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/telemetry.hpp"

namespace millrace::aws::events {

void credentials_fetched(base::Telemetry telemetry, std::string_view source,
                         std::optional<base::Time> expires_at);
void credentials_failed(base::Telemetry telemetry, std::string_view source,
                        const base::Error& error);
/// One finished call, all its attempts together.
void called(base::Telemetry telemetry, std::string_view service, std::string_view outcome);
void retried(base::Telemetry telemetry, std::string_view service, std::string_view reason);
/// Whether a request was done is not known.
void ambiguous(base::Telemetry telemetry, std::string_view service);
void clock_corrected(base::Telemetry telemetry, std::chrono::seconds skew);

}  // namespace millrace::aws::events
