#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/telemetry.hpp"

namespace millrace::serve::events {

/// Counts what comes in for one stream; the numbers are looked up once.
/// Threads: safe from any.
class IngestCounters {
 public:
  IngestCounters(base::Telemetry telemetry, std::string stream);
  void accepted(std::size_t records, std::size_t bytes);
  void refused(const base::Error& error);

 private:
  base::Telemetry telemetry_;
  std::string stream_;
  base::Counter records_;
  base::Counter bytes_;
  base::Counter requests_;
};

/// `status` is `ok`, `truncated`, `timeout` or the name of an error's code.
void queried(base::Telemetry telemetry, const std::string& status, double seconds);
/// `how`: `computed`, `shared` with who asked the same, from `memory`.
void report_answered(base::Telemetry telemetry, const std::string& how);
void query_failed(base::Telemetry telemetry, const base::Error& error);
void rejects_replayed(base::Telemetry telemetry, std::int64_t records);
void table_compacted(base::Telemetry telemetry, const std::string& table, std::size_t files_before,
                     std::size_t files_after);
void table_vacuumed(base::Telemetry telemetry, const std::string& table, std::size_t files,
                    std::int64_t bytes);

/// Sets the gauges of the process: when somebody asks for the metrics.
void saw_process(base::Telemetry telemetry);
/// The same for the file system of the data folder.
void saw_disk(base::Telemetry telemetry, std::uint64_t bytes_free);
void runs_version(base::Telemetry telemetry, const std::string& version);

}  // namespace millrace::serve::events
