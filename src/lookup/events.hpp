#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/telemetry.hpp"

namespace millrace::lookup::events {

void loaded(base::Telemetry telemetry, const std::string& lookup, std::size_t rows, base::Time at);
/// The file was looked at and had not changed.
void found_unchanged(base::Telemetry telemetry, const std::string& lookup, base::Time at);
void load_failed(base::Telemetry telemetry, const std::string& lookup, const std::string& error);

}  // namespace millrace::lookup::events
