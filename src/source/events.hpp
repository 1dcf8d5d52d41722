#pragma once

#include <cstdint>
#include <string>

#include "base/telemetry.hpp"

namespace millrace::source::events {

void files_found(base::Telemetry telemetry, const std::string& source, std::size_t count,
                 const std::string& first);
void file_finished(base::Telemetry telemetry, const std::string& source, const std::string& file,
                   std::uint64_t bytes);
void records_read(base::Telemetry telemetry, const std::string& source, std::uint64_t records,
                  std::uint64_t bytes);
/// New files cannot be looked for.
void look_failed(base::Telemetry telemetry, const std::string& source, const std::string& error);
void file_grew_too_late(base::Telemetry telemetry, const std::string& source,
                        const std::string& file);

}  // namespace millrace::source::events
