#pragma once

#include <string>

#include "base/clock.hpp"
#include "config/pipeline.hpp"

namespace millrace::app {

/// A record as the source's schema declares it, made up: JSON, or CSV with its header line.
std::string sample_record(const config::Source& source, base::Time now);

/// A command for a shell that sends that record to the instance at `address`.
std::string sample_request(const config::Source& source, std::string_view address, base::Time now);

}  // namespace millrace::app
