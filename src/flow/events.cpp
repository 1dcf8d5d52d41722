#include "flow/events.hpp"

#include <map>

namespace millrace::flow::events {
namespace {

using base::Level;

double seconds(std::chrono::nanoseconds took) {
  return std::chrono::duration<double>(took).count();
}

}  // namespace

void processed(base::Telemetry telemetry, const std::string& table, const Counts& counts,
               const std::vector<Reject>& rejects) {
  auto& metrics = telemetry.metrics;
  metrics
      .counter("millrace_table_records_total", "Records that a table took in.", {{"table", table}})
      .add(static_cast<double>(counts.records));
  metrics
      .counter("millrace_table_rows_total", "Rows that came out of a table's SQL.",
               {{"table", table}})
      .add(static_cast<double>(counts.rows));
  metrics
      .counter("millrace_table_filtered_total", "Records of which the SQL kept no row.",
               {{"table", table}})
      .add(static_cast<double>(counts.filtered));
  std::map<std::pair<std::string_view, std::string>, double> rejected;
  for (const auto& reject : rejects) {
    if (reject.outcome.empty()) ++rejected[{name_of(reject.stage), reject.reason}];
  }
  for (const auto& [key, number] : rejected) {
    metrics
        .counter("millrace_table_rejects_total", "Records that a table rejected.",
                 {{"table", table}, {"stage", std::string(key.first)}, {"reason", key.second}})
        .add(number);
  }
  for (const auto& [name, number] : counts.warned) {
    metrics
        .counter("millrace_table_warnings_total", "Rows for which an expectation did not hold.",
                 {{"table", table}, {"expectation", name}})
        .add(static_cast<double>(number));
  }
}

void halted(base::Telemetry telemetry, const std::string& table, const std::string& why) {
  telemetry.metrics
      .gauge("millrace_table_halted", "1 if a table stopped taking records.", {{"table", table}})
      .set(1);
  telemetry.log.write(Level::Error, "table.halted", {{"table", table}, {"reason", why}});
}

void source_accepted(base::Telemetry telemetry, const std::string& table, const std::string& source,
                     const std::string& incarnation) {
  telemetry.log.write(Level::Warn, "source.accepted",
                      {{"table", table}, {"source", source}, {"incarnation", incarnation}});
}

void committed(base::Telemetry telemetry, const std::string& table, const Counts& counts,
               std::chrono::nanoseconds took) {
  telemetry.metrics
      .histogram("millrace_commit_seconds", "Time of bringing hot rows into the lake.",
                 base::latency_bounds(), {{"table", table}})
      .observe(seconds(took));
  telemetry.log.write(Level::Info, "table.committed",
                      {{"table", table},
                       {"rows", counts.rows},
                       {"rejected", counts.rejected},
                       {"filtered", counts.filtered},
                       {"seconds", seconds(took)}});
}

void commit_failed(base::Telemetry telemetry, const std::string& table, const base::Error& error) {
  telemetry.metrics
      .counter("millrace_commit_failures_total", "Commits that failed and are tried again.",
               {{"table", table}})
      .add();
  telemetry.log.write(Level::Error, "table.commit_failed",
                      {{"table", table}, {"error", error.text()}});
}

void maintenance_failed(base::Telemetry telemetry, const std::string& table,
                        const base::Error& error) {
  telemetry.log.write(Level::Warn, "table.maintenance_failed",
                      {{"table", table}, {"error", error.text()}});
}

void micro_batch(base::Telemetry telemetry, const std::string& source, std::size_t records,
                 std::chrono::nanoseconds took) {
  telemetry.metrics
      .histogram("millrace_micro_batch_seconds", "Time from records read to rows visible.",
                 base::latency_bounds(), {{"source", source}})
      .observe(seconds(took));
  telemetry.metrics
      .counter("millrace_source_records_total", "Records read from a source.", {{"source", source}})
      .add(static_cast<double>(records));
}

void micro_batch_failed(base::Telemetry telemetry, const std::string& source,
                        const base::Error& error, bool is_new) {
  telemetry.metrics
      .counter("millrace_micro_batch_failures_total", "Micro-batches that are tried again.",
               {{"source", source}})
      .add();
  if (!is_new) return;
  telemetry.log.write(Level::Error, "source.micro_batch_failed",
                      {{"source", source}, {"error", error.text()}});
}

void fenced(base::Telemetry telemetry, const std::string& source, const std::string& why) {
  telemetry.metrics
      .counter("millrace_fenced_commits_total",
               "Commits that another worker's came before: their rows were dropped and read anew.",
               {{"source", source}})
      .add();
  telemetry.log.write(Level::Warn, "source.fenced", {{"source", source}, {"reason", why}});
}

void share_taken(base::Telemetry telemetry, const std::string& source, std::size_t gained,
                 std::size_t kept, std::size_t all) {
  telemetry.log.write(Level::Info, "source.shards_gained",
                      {{"source", source},
                       {"gained", static_cast<std::int64_t>(gained)},
                       {"now", static_cast<std::int64_t>(kept)},
                       {"of", static_cast<std::int64_t>(all)}});
}

void claimed(base::Telemetry telemetry, const std::string& table, std::size_t keys,
             std::chrono::nanoseconds took) {
  telemetry.metrics
      .counter("millrace_claims_asked_total", "Keys whose claims a store was asked for.",
               {{"table", table}})
      .add(static_cast<double>(keys));
  telemetry.metrics
      .histogram("millrace_claim_seconds", "Time of asking a store for the claims of some keys.",
                 base::latency_bounds(), {{"table", table}})
      .observe(seconds(took));
}

void claim_taken_over(base::Telemetry telemetry, const std::string& table, const std::string& key) {
  telemetry.metrics
      .counter("millrace_claims_taken_over_total",
               "Claims of records that never came into the table.", {{"table", table}})
      .add();
  telemetry.log.write(Level::Info, "table.claim_taken_over", {{"table", table}, {"key", key}});
}

void passed_over(base::Telemetry telemetry, const std::string& app_id, std::int64_t next) {
  telemetry.log.write(Level::Warn, "table.positions_passed_over",
                      {{"app_id", app_id}, {"next", next}});
}

void follow_failed(base::Telemetry telemetry, bool is_first, const base::Error& error) {
  telemetry.metrics
      .counter("millrace_follow_failures_total", "Looks for other workers' commits that failed.")
      .add();
  if (!is_first) return;
  telemetry.log.write(Level::Warn, "tables.follow_failed", {{"error", error.text()}});
}

void counts_begun_anew(base::Telemetry telemetry, const std::string& app_id, std::int64_t counted,
                       std::int64_t position) {
  telemetry.log.write(Level::Warn, "table.counts_begun_anew",
                      {{"app_id", app_id}, {"counted", counted}, {"position", position}});
}

void stopped(base::Telemetry telemetry, const std::string& source, const base::Error& error) {
  telemetry.log.write(Level::Error, "source.stopped",
                      {{"source", source}, {"error", error.text()}});
}

void gauges(base::Telemetry telemetry, const std::string& table, std::int64_t hot_rows,
            std::uint64_t hot_bytes, std::int64_t lag_records) {
  auto& metrics = telemetry.metrics;
  metrics.gauge("millrace_hot_rows", "Rows that wait for a commit.", {{"table", table}})
      .set(static_cast<double>(hot_rows));
  metrics.gauge("millrace_hot_bytes", "Memory of rows that wait for a commit.", {{"table", table}})
      .set(static_cast<double>(hot_bytes));
  metrics
      .gauge("millrace_lag_records", "Durable records that a table has not read yet.",
             {{"table", table}})
      .set(static_cast<double>(lag_records));
}

}  // namespace millrace::flow::events
