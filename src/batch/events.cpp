#include "batch/events.hpp"

#include "base/text.hpp"

namespace millrace::batch::events {
namespace {

using base::Level;

const std::vector<double>& duration_bounds() {
  static const std::vector<double> kBounds{0.01, 0.05, 0.1, 0.5,  1,    5,    10,
                                           30,   60,   300, 1800, 3600, 21600};
  return kBounds;
}

}  // namespace

void run_started(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                 Trigger trigger) {
  telemetry.log.write(Level::Info, "job.run_started",
                      {{"job", job}, {"partition", partition}, {"trigger", name_of(trigger)}});
}

void run_ended(base::Telemetry telemetry, const RunRow& row) {
  const bool is_good = row.status == RunStatus::Succeeded;
  const std::chrono::duration<double> took = row.duration;
  telemetry.metrics
      .counter("millrace_job_runs_total", "Runs of a job's partitions that ended.",
               {{"job_name", row.job}, {"status", std::string(name_of(row.status))}})
      .add();
  telemetry.metrics
      .histogram("millrace_job_run_seconds", "Time that a run took, with all of its attempts.",
                 duration_bounds(), {{"job_name", row.job}})
      .observe(took.count());
  if (is_good) {
    telemetry.metrics
        .counter("millrace_job_rows_total", "Rows that runs of a job wrote.",
                 {{"job_name", row.job}})
        .add(static_cast<double>(row.rows));
    last_success(telemetry, row.job, row.ended_at);
  }
  telemetry.log.write(is_good ? Level::Info : Level::Error,
                      is_good ? "job.run_succeeded" : "job.run_failed",
                      {{"job", row.job},
                       {"partition", row.partition},
                       {"run", row.run_id},
                       {"attempt", row.attempt},
                       {"rows", row.rows},
                       {"seconds", took.count()},
                       {"error", row.error}});
}

void last_success(base::Telemetry telemetry, const std::string& job, base::Time ended_at) {
  const std::chrono::duration<double> ended = ended_at.time_since_epoch();
  telemetry.metrics
      .gauge("millrace_job_last_success_timestamp_seconds", "When a run of the job last succeeded.",
             {{"job_name", job}})
      .set(ended.count());
}

void run_retried(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                 int attempt, const std::string& error) {
  telemetry.metrics
      .counter("millrace_job_retries_total", "Attempts that failed and were followed by another.",
               {{"job_name", job}})
      .add();
  telemetry.log.write(
      Level::Warn, "job.run_retried",
      {{"job", job}, {"partition", partition}, {"attempt", attempt}, {"error", error}});
}

void run_for_fewer(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                   const std::string& error) {
  telemetry.log.write(Level::Info, "job.fewer_at_once",
                      {{"job", job}, {"partition", partition}, {"error", error}});
}

void run_recomputed(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                    const std::string& why) {
  telemetry.log.write(Level::Info, "job.run_recomputed",
                      {{"job", job}, {"partition", partition}, {"why", why}});
}

void engine_started(base::Telemetry telemetry, const EngineOrder& order, std::string_view engine,
                    const std::string& id) {
  telemetry.log.write(Level::Info, "job.engine_started",
                      {{"job", order.job},
                       {"partitions", base::printable(order.partitions)},
                       {"engine", std::string(engine)},
                       {"order", order.id()},
                       {"id", id}});
}

void engine_unknown(base::Telemetry telemetry, std::string_view engine, const std::string& error) {
  telemetry.log.write(Level::Warn, "job.engine_unknown",
                      {{"engine", std::string(engine)}, {"error", error}});
}

void claim_lost(base::Telemetry telemetry, const std::string& job, const std::string& partition) {
  telemetry.log.write(Level::Warn, "job.claim_lost", {{"job", job}, {"partition", partition}});
}

void checked(base::Telemetry telemetry, const std::string& job, const CheckResult& result) {
  telemetry.metrics
      .counter("millrace_job_checks_total", "Checks of job results.",
               {{"job_name", job},
                {"check", result.check},
                {"outcome", std::string(name_of(result.outcome))}})
      .add();
  if (result.outcome == CheckOutcome::Passed) return;
  telemetry.log.write(Level::Warn, "job.check_does_not_hold",
                      {{"job", job},
                       {"check", result.check},
                       {"outcome", name_of(result.outcome)},
                       {"detail", result.detail}});
}

void checks_not_kept(base::Telemetry telemetry, const std::string& job, const std::string& error) {
  telemetry.log.write(Level::Warn, "job.checks_not_kept", {{"job", job}, {"error", error}});
}

void load_ended(base::Telemetry telemetry, const RunRow& row) {
  const bool is_good = row.status == RunStatus::Succeeded;
  const std::chrono::duration<double> took = row.duration;
  telemetry.metrics
      .counter("millrace_loads_total", "Loads of a partition into a warehouse that ended.",
               {{"load", row.job}, {"status", std::string(name_of(row.status))}})
      .add();
  if (is_good) {
    telemetry.metrics
        .counter("millrace_load_rows_total", "Rows that were loaded into a warehouse.",
                 {{"load", row.job}})
        .add(static_cast<double>(row.rows));
  }
  telemetry.log.write(is_good ? Level::Info : Level::Error,
                      is_good ? "load.succeeded" : "load.failed",
                      {{"load", row.job},
                       {"partition", row.partition},
                       {"run", row.run_id},
                       {"attempt", row.attempt},
                       {"rows", row.rows},
                       {"seconds", took.count()},
                       {"error", row.error}});
}

void load_waits(base::Telemetry telemetry, const std::string& load, const std::string& error) {
  telemetry.log.write(Level::Warn, "load.waits", {{"load", load}, {"error", error}});
}

void load_settled(base::Telemetry telemetry, const std::string& table, bool is_done) {
  telemetry.metrics
      .counter("millrace_loads_settled_total",
               "Loads of which only the warehouse's ledger could tell whether they were done.",
               {{"table", table}, {"outcome", is_done ? "done" : "not_done"}})
      .add();
  telemetry.log.write(Level::Warn, "load.settled_by_ledger", {{"table", table}, {"done", is_done}});
}

void loads_waiting(base::Telemetry telemetry, const std::string& load, std::size_t count) {
  telemetry.metrics
      .gauge("millrace_loads_waiting", "Partitions that a warehouse lacks, or has of an older run.",
             {{"load", load}})
      .set(static_cast<double>(count));
}

void maintained(base::Telemetry telemetry, const std::string& table, const RunRow& row,
                const Maintained& done) {
  const bool is_good = row.status == RunStatus::Succeeded;
  const std::chrono::duration<double> took = row.duration;
  telemetry.metrics
      .counter("millrace_maintenance_runs_total", "Maintenance runs of a table that ended.",
               {{"table", table}, {"status", std::string(name_of(row.status))}})
      .add();
  telemetry.metrics
      .counter("millrace_rows_removed_total", "Rows that were removed because they were old.",
               {{"table", table}})
      .add(static_cast<double>(done.rows_removed));
  telemetry.log.write(is_good ? Level::Info : Level::Error,
                      is_good ? "table.maintained" : "table.maintenance_failed",
                      {{"table", table},
                       {"rows_removed", done.rows_removed},
                       {"files_removed", done.files_removed},
                       {"files_needed", done.files_needed},
                       {"files_before", done.files_before},
                       {"files_after", done.files_after},
                       {"files_deleted", done.files_deleted},
                       {"bytes_deleted", done.bytes_deleted},
                       {"seconds", took.count()},
                       {"error", row.error}});
}

void proven(base::Telemetry telemetry, const std::string& table, const RunRow& row) {
  const bool is_good = row.status == RunStatus::Succeeded;
  const std::chrono::duration<double> took = row.duration;
  telemetry.metrics
      .counter("millrace_proofs_total", "Proofs of a stream's table that ended.",
               {{"table", table}, {"status", std::string(name_of(row.status))}})
      .add();
  telemetry.metrics
      .gauge("millrace_proof_holds", "Whether the last proof of a stream's table held.",
             {{"table", table}})
      .set(is_good ? 1 : 0);
  telemetry.log.write(is_good ? Level::Info : Level::Error,
                      is_good ? "table.proven" : "table.proof_failed",
                      {{"table", table},
                       {"rows", row.rows},
                       {"run", row.run_id},
                       {"seconds", took.count()},
                       {"error", row.error}});
}

void schedule_failed(base::Telemetry telemetry, const std::string& job, const std::string& error) {
  telemetry.metrics
      .counter("millrace_job_schedule_errors_total",
               "Times that it could not be found out what of a job is due.", {{"job_name", job}})
      .add();
  telemetry.log.write(Level::Warn, "job.schedule_failed", {{"job", job}, {"error", error}});
}

void due_since(base::Telemetry telemetry, const std::string& job, base::Time firing) {
  const std::chrono::duration<double> since_epoch = firing.time_since_epoch();
  telemetry.metrics
      .gauge("millrace_job_due_timestamp_seconds",
             "When the run of a job was scheduled that is not done yet; 0 if none is due.",
             {{"job_name", job}})
      .set(since_epoch.count());
}

void partitions_stale(base::Telemetry telemetry, const std::string& job, std::size_t count) {
  telemetry.metrics
      .gauge("millrace_job_partitions_stale",
             "Partitions of a job whose inputs changed since their last run.", {{"job_name", job}})
      .set(static_cast<double>(count));
}

}  // namespace millrace::batch::events
