// Whether lake and warehouse have the same rows: docs/warehouses.md, "The daily proof".
#include <fmt/format.h>

#include "batch/events.hpp"
#include "batch/loads_job.hpp"
#include "batch/proof.hpp"
#include "batch/single_run.hpp"
#include "lake/retention.hpp"
#include "lake/snapshot.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr std::string_view kCheck = "warehouse";
constexpr std::string_view kKind = "proof";

// Something that is missing on either side is no passing fault: it is what a proof is for.
bool is_finding(const Error& error) {
  return error.code == Code::NotFound || error.code == Code::Invalid || error.code == Code::Corrupt;
}

}  // namespace

// What differs; empty: nothing.
Result<std::string> Loads::differences(Job& job, const Partition& partition,
                                       const std::string& select, const std::stop_token& stop) {
  const auto parts = proof_parts_here(job.target, job.place.warehouse->dialect());
  const auto here = proof_here(parts_.tools.engine, parts, select);
  if (!here) return "the lake cannot be read: " + here.error().text();
  const auto there = job.place.warehouse->measure(job.target, partition, stop);
  if (there) return difference(parts, *here, *there);
  if (is_finding(there.error())) return there.error().text();
  return there.error();
}

// After a load: why it is no good one; empty: it is. What cannot be compared now is noted only.
std::string Loads::prove(Job& job, const PartitionLoad& load, const RunRow& row,
                         const std::stop_token& stop) {
  const auto found = differences(job, load.partition, load.select, stop);
  if (!found && found.error().code == Code::Cancelled) return {};
  keep_proof(job, row, found);
  return !found || found->empty() ? "" : "it is loaded, but the proof does not hold: " + *found;
}

Result<std::vector<RunRow>> Loads::prove(std::string_view name,
                                         const std::optional<Partition>& only) {
  auto& job = *jobs_.find(name)->second;
  const std::lock_guard one_at_a_time(job.place.mutex);
  const auto stop = stopping_.get_token();
  const auto ledger = TRY(job.place.warehouse->ledger(job.target, stop));
  // A table that is gone has no ledger; what was loaded into it is to be found missing.
  const auto never_loaded = TRY(not_loaded_by_history(job));
  const auto snapshot = job.runnable.output.snapshot();
  const auto kept_from = lake::kept_from(*snapshot);
  std::vector<RunRow> rows;
  for (const auto& partition : job.runnable.marks.partitions(*snapshot)) {
    if ((only && partition != *only) || stop.stop_requested()) continue;
    const LoadMark mark{snapshot->metadata->id,
                        *snapshot->transaction(job.runnable.marks.sql_mark(partition))};
    const auto there = ledger.find(ledger_key(partition));
    // Of what is no longer kept here the warehouse keeps what it has.
    const bool is_kept = !kept_from || partition.start >= *kept_from;
    const bool is_there = there != ledger.end() && there->second.covers(mark);
    const bool was_there =
        ledger.empty() &&
        std::ranges::find(never_loaded, partition, &Wanted::partition) == never_loaded.end();
    if (is_kept && (is_there || was_there)) {
      rows.push_back(TRY(run_proof(job, partition, stop)));
    } else if (only) {
      rows.push_back({.job = proof_name(job.config()),
                      .partition = label_of(partition),
                      .status = RunStatus::Skipped,
                      .error = is_kept ? "it waits to be loaded: `millrace job load`"
                                       : "its rows are no longer kept in the lake (`keep`)",
                      .trigger = Trigger::Manual});
    }
  }
  if (only && rows.empty()) {
    return Error{Code::NotFound, fmt::format("partition {} of '{}' has not run yet",
                                             label_of(*only), job.config().name)};
  }
  return rows;
}

Result<RunRow> Loads::run_proof(Job& job, const Partition& partition, const std::stop_token& stop) {
  const auto work = [&](RunRow& row, const Claim&) {
    const auto found = differences(job, partition, select_of(job, partition), stop);
    keep_proof(job, row, found);
    row.status = found && found->empty() ? RunStatus::Succeeded : RunStatus::Failed;
    row.error = found ? *found : found.error().text();
  };
  auto row = TRY(run_single(parts_.runs, {.job = proof_name(job.config()),
                                          .partition = label_of(partition),
                                          .held = "proves it",
                                          .work = work}));
  parts_.board.publish();
  return row;
}

// Into `_checks`, the metrics and the status.
void Loads::keep_proof(Job& job, const RunRow& row, const Result<std::string>& found) {
  CheckResult result{.check = std::string(kCheck), .kind = std::string(kKind)};
  if (!found) {
    result.outcome = CheckOutcome::Warned;
    result.detail = "it could not be asked: " + found.error().text();
  } else if (!found->empty()) {
    result.outcome = CheckOutcome::Failed;
    result.detail = *found;
  }
  const auto& name = job.config().name;
  events::checked(parts_.tools.telemetry, name, result);
  const auto kept = parts_.checks.add(
      {{{.run_id = row.run_id, .job = name, .partition = row.partition, .at = row.started_at},
        {result}}});
  if (!kept) events::checks_not_kept(parts_.tools.telemetry, name, kept.error().text());
  if (!found) return;
  const std::lock_guard lock(job.mutex);
  job.unproven.erase(row.partition);
  if (!found->empty()) job.unproven[row.partition] = *found;
}

// What was known before this process. If it cannot be read, the next proofs tell.
void Loads::recall_proofs(Job& job) {
  const auto failed = parts_.checks.failed_last(job.config().name, std::string(kCheck));
  if (failed) job.unproven = *failed;
}

}  // namespace millrace::batch
