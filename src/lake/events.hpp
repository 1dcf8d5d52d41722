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

/// What is in the cache of data files.
void cached(base::Telemetry telemetry, std::uint64_t bytes);
/// A scan found `hits` of its files in the cache.
void read_by_cache(base::Telemetry telemetry, std::size_t hits, std::size_t misses);
/// A file could not be brought; it is read where it lies.
void cache_failed(base::Telemetry telemetry, const std::string& file, const std::string& error);

}  // namespace millrace::lake::events
