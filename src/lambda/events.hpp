#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/telemetry.hpp"

namespace millrace::lambda::events {

/// An invocation is answered. `kind` is what called: `kinesis`, `sqs`, …
void invoked(base::Telemetry telemetry, std::string_view kind, std::size_t records,
             std::chrono::nanoseconds took);
/// Some of its records are to come again.
void left_over(base::Telemetry telemetry, std::string_view kind, std::size_t records,
               const base::Error& error);
/// It failed as a whole.
void failed(base::Telemetry telemetry, const std::string& id, const base::Error& error);
/// How long after a record came to its stream it was committed, of a batch's oldest.
void age(base::Telemetry telemetry, const std::string& source, std::chrono::nanoseconds age);

}  // namespace millrace::lambda::events
