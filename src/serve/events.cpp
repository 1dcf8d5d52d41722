#include "serve/events.hpp"

#include <chrono>
#include <utility>

#include "base/text.hpp"
#include "os/process.hpp"
#include "serve/answer.hpp"

namespace millrace::serve::events {
namespace {

using base::Level;

base::Counter queries_total(base::Telemetry telemetry, const std::string& status) {
  return telemetry.metrics.counter("millrace_queries_total", "Queries and reports that were asked.",
                                   {{"status", status}});
}

}  // namespace

IngestCounters::IngestCounters(base::Telemetry telemetry, std::string stream)
    : telemetry_(telemetry),
      stream_(std::move(stream)),
      records_(telemetry.metrics.counter("millrace_ingest_records_total",
                                         "Records that were acknowledged.", {{"stream", stream_}})),
      bytes_(telemetry.metrics.counter("millrace_ingest_bytes_total",
                                       "Bytes of the records that were acknowledged.",
                                       {{"stream", stream_}})),
      requests_(telemetry.metrics.counter("millrace_ingest_requests_total",
                                          "Bodies that were acknowledged.",
                                          {{"stream", stream_}})) {}

void IngestCounters::accepted(std::size_t records, std::size_t bytes) {
  records_.add(static_cast<double>(records));
  bytes_.add(static_cast<double>(bytes));
  requests_.add();
}

void IngestCounters::refused(const base::Error& error) {
  telemetry_.metrics
      .counter("millrace_ingest_refused_total", "Bodies that were refused, by reason.",
               {{"stream", stream_}, {"reason", std::string(base::name_of(error.code))}})
      .add();
  telemetry_.log.write(Level::Debug, "ingest.refused",
                       {{"stream", stream_}, {"reason", error.text()}});
}

void queried(base::Telemetry telemetry, const std::string& status, double seconds) {
  queries_total(telemetry, status).add();
  telemetry.metrics
      .histogram("millrace_query_seconds", "Time from a query's arrival to the end of its answer.",
                 base::latency_bounds())
      .observe(seconds);
}

void report_answered(base::Telemetry telemetry, const std::string& how) {
  telemetry.metrics
      .counter("millrace_report_answers_total",
               "Answers of reports, by where their rows came from.", {{"how", how}})
      .add();
}

void query_failed(base::Telemetry telemetry, const base::Error& error) {
  telemetry.log.write(Level::Debug, "query.failed", {{"error", error.text()}});
}

void rejects_replayed(base::Telemetry telemetry, std::int64_t records) {
  telemetry.metrics
      .counter("millrace_rejects_replayed_total",
               "Rejected records that were asked to be replayed.")
      .add(static_cast<double>(records));
  telemetry.log.write(Level::Info, "rejects.replayed", {{"records", records}});
}

void table_compacted(base::Telemetry telemetry, const std::string& table, std::size_t files_before,
                     std::size_t files_after) {
  telemetry.log.write(
      Level::Info, "table.compacted",
      {{"table", table}, {"files_before", files_before}, {"files_after", files_after}});
}

void table_vacuumed(base::Telemetry telemetry, const std::string& table, std::size_t files,
                    std::int64_t bytes) {
  telemetry.log.write(Level::Info, "table.vacuumed",
                      {{"table", table}, {"files", files}, {"bytes", bytes}});
}

void saw_process(base::Telemetry telemetry) {
  const auto usage = os::process_usage();
  if (!usage) return;
  auto& metrics = telemetry.metrics;
  metrics.gauge("process_resident_memory_bytes", "Memory of the process.")
      .set(static_cast<double>(usage.value().resident_bytes));
  metrics.gauge("process_open_fds", "Open files and sockets.")
      .set(static_cast<double>(usage.value().descriptors));
  // It only grows, but it is read, not counted: a gauge to this library.
  metrics.gauge("millrace_process_cpu_seconds", "CPU time of all threads since the start.")
      .set(std::chrono::duration<double>(usage.value().cpu_time).count());
  metrics
      .gauge("millrace_memory_limit_bytes",
             "Memory that the process may use: the machine's, or its control group's limit.")
      .set(static_cast<double>(os::memory_bytes()));
}

void saw_disk(base::Telemetry telemetry, std::uint64_t bytes_free) {
  telemetry.metrics
      .gauge("millrace_disk_free_bytes", "Free space in the file system of the data folder.")
      .set(static_cast<double>(bytes_free));
}

void runs_version(base::Telemetry telemetry, const std::string& version) {
  telemetry.metrics
      .gauge("millrace_build_info", "1; its label tells the version that runs.",
             {{"version", version}})
      .set(1);
}

}  // namespace millrace::serve::events
