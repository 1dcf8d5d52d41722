#pragma once

#include <string>

#include "base/telemetry.hpp"
#include "batch/checks_table.hpp"
#include "batch/engine.hpp"
#include "batch/maintained.hpp"
#include "batch/run_row.hpp"

namespace millrace::batch::events {

void run_started(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                 Trigger trigger);
void run_ended(base::Telemetry telemetry, const RunRow& row);
/// What is known of a job's runs before this process.
void last_success(base::Telemetry telemetry, const std::string& job, base::Time ended_at);
void run_retried(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                 int attempt, const std::string& error);
/// It will be computed again, with fewer partitions at once.
void run_for_fewer(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                   const std::string& error);
void run_recomputed(base::Telemetry telemetry, const std::string& job, const std::string& partition,
                    const std::string& why);
/// An engine has begun to compute partitions; `id` is its own name for the run, or empty.
void engine_started(base::Telemetry telemetry, const EngineOrder& order, std::string_view engine,
                    const std::string& id);
/// How a run stands could not be asked; it will be tried again.
void engine_unknown(base::Telemetry telemetry, std::string_view engine, const std::string& error);
void claim_lost(base::Telemetry telemetry, const std::string& job, const std::string& partition);
void checked(base::Telemetry telemetry, const std::string& job, const CheckResult& result);
/// What checks found could not be written into `_checks`.
void checks_not_kept(base::Telemetry telemetry, const std::string& job, const std::string& error);
/// A load into a warehouse: `row.job` is `job@warehouse`.
void load_ended(base::Telemetry telemetry, const RunRow& row);
/// It will be tried again later.
void load_waits(base::Telemetry telemetry, const std::string& load, const std::string& error);
/// It was not known whether a load was done; the warehouse's ledger told.
void load_settled(base::Telemetry telemetry, const std::string& table, bool is_done);
void loads_waiting(base::Telemetry telemetry, const std::string& load, std::size_t count);
/// `row.job` is `maintenance@table`.
void maintained(base::Telemetry telemetry, const std::string& table, const RunRow& row,
                const Maintained& done);
/// A proof of a table that a stream fills.
void proven(base::Telemetry telemetry, const std::string& table, const RunRow& row);
void schedule_failed(base::Telemetry telemetry, const std::string& job, const std::string& error);
/// When the run was scheduled that is not done yet; the epoch if none is due.
void due_since(base::Telemetry telemetry, const std::string& job, base::Time firing);
void partitions_stale(base::Telemetry telemetry, const std::string& job, std::size_t count);

}  // namespace millrace::batch::events
