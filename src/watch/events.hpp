#pragma once

#include <string_view>

#include "base/result.hpp"
#include "base/telemetry.hpp"

namespace millrace::watch::events {

void sent(base::Telemetry telemetry, std::string_view to, std::size_t count);
/// The first of a row of failures of its kind.
void failing(base::Telemetry telemetry, std::string_view to, const base::Error& error,
             std::string_view mend);
/// The end of such a row.
void works_again(base::Telemetry telemetry, std::string_view to);
/// `reason`: `queue_full`, `too_old`, `refused`, `left_out`, `stopped`.
void dropped(base::Telemetry telemetry, std::string_view to, std::string_view reason,
             std::size_t count);
void queued(base::Telemetry telemetry, std::string_view to, std::size_t bytes);

}  // namespace millrace::watch::events
