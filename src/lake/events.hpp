#pragma once

#include <string>

#include "base/telemetry.hpp"
#include "os/disk.hpp"

namespace millrace::lake::events {

void committed(base::Telemetry telemetry, const os::Path& table, std::int64_t version,
               std::int64_t files, double seconds);
void commit_raced(base::Telemetry telemetry, const os::Path& table, std::int64_t version);
void commit_ambiguous(base::Telemetry telemetry, const os::Path& table, const std::string& error,
                      bool is_ours);
void checkpointed(base::Telemetry telemetry, const os::Path& table, std::int64_t version);
void log_cleaned(base::Telemetry telemetry, const os::Path& table, std::size_t files);

}  // namespace millrace::lake::events
