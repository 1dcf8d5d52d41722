#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/telemetry.hpp"
#include "lambda/firehose.hpp"

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
/// Records of a delivery stream of Firehose became rows, or did not.
void transformed(base::Telemetry telemetry, std::string_view stream, const FirehoseAnswer& answer);
/// Some were rejected, `first` for one.
void transform_rejected(base::Telemetry telemetry, std::string_view stream, std::size_t records,
                        const flow::Transformed& first);

}  // namespace millrace::lambda::events
