#include "lake/events.hpp"

namespace millrace::lake::events {
namespace {

using base::Level;

std::string name_of(const os::Path& table) {
  return table.filename().string();
}

}  // namespace

void committed(base::Telemetry telemetry, const os::Path& table, std::int64_t version,
               std::int64_t files, double seconds) {
  telemetry.metrics
      .counter("millrace_table_commits_total", "Commits made to a table.",
               {{"table", name_of(table)}})
      .add();
  telemetry.metrics
      .histogram("millrace_table_commit_seconds", "Time of writing a commit into a table's log.",
                 base::latency_bounds(), {{"table", name_of(table)}})
      .observe(seconds);
  telemetry.log.write(Level::Debug, "lake.committed",
                      {{"table", name_of(table)}, {"version", version}, {"files", files}});
}

void commit_raced(base::Telemetry telemetry, const os::Path& table, std::int64_t version) {
  telemetry.metrics
      .counter("millrace_table_commit_races_total",
               "Commits that another writer was faster than and that were tried again.",
               {{"table", name_of(table)}})
      .add();
  telemetry.log.write(Level::Debug, "lake.commit_raced",
                      {{"table", name_of(table)}, {"version", version}});
}

void commit_ambiguous(base::Telemetry telemetry, const os::Path& table, const std::string& error,
                      bool is_ours) {
  telemetry.metrics
      .counter("millrace_table_commits_ambiguous_total",
               "Commits whose outcome had to be read back.", {{"table", name_of(table)}})
      .add();
  telemetry.log.write(Level::Warn, "lake.commit_ambiguous",
                      {{"table", name_of(table)}, {"error", error}, {"found_ours", is_ours}});
}

void checkpointed(base::Telemetry telemetry, const os::Path& table, std::int64_t version) {
  telemetry.log.write(Level::Debug, "lake.checkpointed",
                      {{"table", name_of(table)}, {"version", version}});
}

void log_cleaned(base::Telemetry telemetry, const os::Path& table, std::size_t files) {
  telemetry.log.write(Level::Info, "lake.log_cleaned",
                      {{"table", name_of(table)}, {"files", files}});
}

void cached(base::Telemetry telemetry, std::uint64_t bytes) {
  telemetry.metrics
      .gauge("millrace_lake_cache_bytes", "Bytes of data files that are copies on this disk.")
      .set(static_cast<double>(bytes));
}

void read_by_cache(base::Telemetry telemetry, std::size_t hits, std::size_t misses) {
  const auto count = [&](const char* found, std::size_t files) {
    telemetry.metrics
        .counter("millrace_lake_cache_files_total",
                 "Data files that scans asked the cache for, and whether it had them.",
                 {{"found", found}})
        .add(static_cast<double>(files));
  };
  count("yes", hits);
  count("no", misses);
}

void cache_failed(base::Telemetry telemetry, const std::string& file, const std::string& error) {
  telemetry.metrics
      .counter("millrace_lake_cache_failures_total", "Data files that could not be copied.")
      .add();
  telemetry.log.write(Level::Warn, "lake.cache_failed", {{"file", file}, {"error", error}});
}

}  // namespace millrace::lake::events
