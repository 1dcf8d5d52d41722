// Whether lake and warehouse have the same rows: docs/warehouses.md, "The daily proof".
#include <fmt/format.h>

#include "base/text.hpp"
#include "batch/events.hpp"
#include "batch/loads_job.hpp"
#include "batch/proof.hpp"
#include "batch/single_run.hpp"
#include "lake/retention.hpp"
#include "lake/snapshot.hpp"
#include "sql/interrupt_on_stop.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr std::string_view kCheck = "warehouse";
constexpr std::string_view kKind = "proof";
constexpr std::size_t kToldMax = 5;  // partitions in an error's text; `_checks` has all

// Something that is missing on either side is no passing fault: it is what a proof is for.
bool is_finding(const Error& error) {
  return error.code == Code::NotFound || error.code == Code::Invalid || error.code == Code::Corrupt;
}

ChecksTable::Checked checked_of(const std::string& job, const RunRow& row,
                                const std::string& partition, CheckOutcome outcome,
                                const std::string& detail) {
  return {{.run_id = row.run_id, .job = job, .partition = partition, .at = row.started_at},
          {{.check = std::string(kCheck),
            .kind = std::string(kKind),
            .outcome = outcome,
            .value = {},
            .detail = detail}}};
}

// `2 partitions differ: 2026-11-19: …; 2026-11-20: …`; empty: none does.
std::string told(const std::map<Partition, std::string>& found, bool is_one) {
  std::vector<std::string> texts;
  std::size_t count = 0;
  for (const auto& [partition, differs] : found) {
    if (differs.empty()) continue;
    if (++count <= kToldMax) texts.push_back(label_of(partition) + ": " + differs);
    if (is_one) return differs;
  }
  if (count == 0) return {};
  return fmt::format("{} partition{}: {}{}", count, count == 1 ? " differs" : "s differ",
                     base::join(texts, "; "),
                     count > kToldMax ? fmt::format("; and {} more", count - kToldMax) : "");
}

}  // namespace

/// What a proof found.
struct Loads::Proven {
  std::map<Partition, std::string> found;  ///< how they differ; empty: they do not
  std::int64_t rows = 0;                   ///< in the warehouse
};

/// What there is to compare.
struct Loads::Provable {
  const lake::Snapshot& snapshot;         ///< of the job's table
  const std::set<Partition>& partitions;  ///< that are loaded as the snapshot has them
  const std::optional<Partition>& only;   ///< it is this one
};

// What differs in one partition; empty: nothing.
Result<std::string> Loads::differences(Job& job, const Partition& partition,
                                       const std::string& select, const std::stop_token& stop) {
  const auto parts = proof_parts_here(job.target, job.place.warehouse->dialect());
  const auto here = proof_here(parts_.tools.engine, parts, select);
  if (!here) return "the lake cannot be read: " + here.error().text();
  const auto there = job.place.warehouse->measure(job.target, partition, stop);
  if (there) return difference(parts, *here, proof_at(*there, partition, parts));
  if (is_finding(there.error())) return there.error().text();
  return there.error();
}

// After a load: why it is no good one; empty: it is. What cannot be compared now is noted only.
std::string Loads::prove(Job& job, const PartitionLoad& load, const RunRow& row,
                         const std::stop_token& stop) {
  const auto found = differences(job, load.partition, load.select, stop);
  if (!found) {
    keep_unproven(job, row, found.error());
    return {};
  }
  keep_proofs(job, row, {{load.partition, *found}});
  return found->empty() ? "" : "it is loaded, but the proof does not hold: " + *found;
}

Result<RunRow> Loads::prove(std::string_view name, const std::optional<Partition>& only,
                            Trigger trigger, const std::stop_token& stop) {
  auto& job = *jobs_.find(name)->second;
  const std::lock_guard one_at_a_time(job.place.mutex);
  const auto label = label_of(only.value_or(Partition{}));
  if (only) {
    const auto why_not = TRY(why_not_provable(job, *only, stop));
    if (!why_not.empty()) {
      return RunRow{.job = proof_name(job.config()),
                    .partition = label,
                    .status = RunStatus::Skipped,
                    .error = why_not,
                    .trigger = trigger};
    }
  }
  const auto work = [&](RunRow& row, const Claim&) {
    const auto compared = [&] { return compare(job, only, stop); };
    const auto proven =
        trigger == Trigger::Schedule ? attempt(job, row, stop, compared) : compared();
    if (!proven) {
      row.error = proven.error().text();
      return keep_unproven(job, row, proven.error());
    }
    row.error = told(proven->found, only.has_value());
    row.status = row.error.empty() ? RunStatus::Succeeded : RunStatus::Failed;
    if (row.error.empty()) row.rows = proven->rows;
    keep_proofs(job, row, proven->found);
  };
  auto row = TRY(run_single(parts_.runs, {.job = proof_name(job.config()),
                                          .partition = label,
                                          .trigger = trigger,
                                          .held = "proves it",
                                          .work = work}));
  parts_.board.publish();
  return row;
}

// Empty: it can be proven.
Result<std::string> Loads::why_not_provable(Job& job, const Partition& partition,
                                            const std::stop_token& stop) const {
  const auto snapshot = job.runnable.output.snapshot();
  if (!snapshot->transaction(job.runnable.marks.sql_mark(partition))) {
    return Error{Code::NotFound, fmt::format("partition {} of '{}' has not run yet",
                                             label_of(partition), job.config().name)};
  }
  const auto kept_from = lake::kept_from(*snapshot);
  if (kept_from && partition.start < *kept_from) {
    return std::string("its rows are no longer kept in the lake (`keep`)");
  }
  const auto ledger = TRY(job.place.warehouse->ledger(job.target, stop));
  const bool is_loaded = TRY(provable(job, *snapshot, ledger)).contains(partition);
  return std::string(is_loaded ? "" : "it waits to be loaded: `millrace job load`");
}

// What is loaded as the snapshot has it. A table that is gone has no ledger; what was loaded into
// it is to be found missing.
Result<std::set<Partition>> Loads::provable(const Job& job, const lake::Snapshot& snapshot,
                                            const Ledger& ledger) const {
  const auto never_loaded = TRY(not_loaded_by_history(job));
  std::set<Partition> found;
  for (const auto& [partition, mark] : load_marks(job.runnable.marks, snapshot)) {
    const bool was_there =
        ledger.empty() &&
        std::ranges::find(never_loaded, partition, &Wanted::partition) == never_loaded.end();
    if (was_there || covers(ledger, partition, mark)) found.insert(partition);
  }
  return found;
}

Result<Loads::Proven> Loads::compare(Job& job, const std::optional<Partition>& only,
                                     const std::stop_token& stop) {
  auto& warehouse = *job.place.warehouse;
  const auto ledger = TRY(warehouse.ledger(job.target, stop));
  const auto snapshot = job.runnable.output.snapshot();
  auto wanted = TRY(provable(job, *snapshot, ledger));
  if (only) std::erase_if(wanted, [&](const Partition& one) { return one != *only; });
  if (wanted.empty()) return Proven();
  auto proven = TRY(compare_each(job, {*snapshot, wanted, only}, stop));
  const bool holds =
      std::ranges::all_of(proven.found, [](const auto& one) { return one.second.empty(); });
  if (holds) return proven;
  // What another process loaded meanwhile was compared with what had been there.
  const auto after = TRY(warehouse.ledger(job.target, stop));
  std::erase_if(proven.found, [&](const auto& one) {
    const auto key = ledger_key(one.first);
    const auto was = ledger.find(key), is = after.find(key);
    return is != after.end() && (was == ledger.end() || !was->second.covers(is->second));
  });
  return proven;
}

// All at once: one statement here, and one there.
Result<Loads::Proven> Loads::compare_each(Job& job, const Provable& provable,
                                          const std::stop_token& stop) {
  const auto& [snapshot, partitions, only] = provable;
  auto& warehouse = *job.place.warehouse;
  Proven proven;
  const auto there = warehouse.measure(job.target, only, stop);
  if (!there) {
    if (!is_finding(there.error())) return there.error();
    for (const auto& partition : partitions) proven.found[partition] = there.error().text();
    return proven;
  }
  const auto parts = proof_parts_here(job.target, warehouse.dialect());
  const auto rows =
      only ? select_of(job, snapshot, *only) : lake::scan_sql(job.runnable.output.root(), snapshot);
  auto reader = TRY(parts_.tools.engine.connect());
  const sql::InterruptOnStop interrupt(reader, stop);
  const auto here = read_partition_proofs(
      reader, partition_proofs_query(job.target, parts, "(" + rows + ")", only));
  for (const auto& partition : partitions) {
    if (stop.stop_requested()) return Error{Code::Cancelled, "the program was stopped"};
    const auto theirs = proof_at(*there, partition, parts);
    proven.rows += std::stoll(theirs.front().value_or("0"));
    // What cannot be read as a whole is looked at one by one, to say which it is.
    proven.found[partition] =
        here ? difference(parts, proof_at(*here, partition, parts), theirs)
             : TRY(differences(job, partition, select_of(job, snapshot, partition), stop));
  }
  return proven;
}

// Into `_checks`, the metrics and the status.
void Loads::keep_proofs(Job& job, const RunRow& row,
                        const std::map<Partition, std::string>& found) {
  std::vector<ChecksTable::Checked> checked;
  for (const auto& [partition, differs] : found) {
    checked.push_back(checked_of(job.config().name, row, label_of(partition),
                                 differs.empty() ? CheckOutcome::Passed : CheckOutcome::Failed,
                                 differs));
  }
  keep_checks(checked);
  const std::lock_guard lock(job.mutex);
  for (const auto& [partition, differs] : found) {
    job.unproven.erase(label_of(partition));
    if (!differs.empty()) job.unproven[label_of(partition)] = differs;
  }
}

// That it could not be asked, which is neither well nor ill.
void Loads::keep_unproven(const Job& job, const RunRow& row, const Error& error) {
  if (error.code == Code::Cancelled) return;
  keep_checks({checked_of(job.config().name, row, row.partition, CheckOutcome::Warned,
                          "it could not be asked: " + error.text())});
}

void Loads::keep_checks(const std::vector<ChecksTable::Checked>& checked) {
  if (checked.empty()) return;
  const auto& name = checked.front().run.job;
  for (const auto& one : checked) events::checked(parts_.tools.telemetry, name, one.results[0]);
  const auto kept = parts_.checks.add(checked);
  if (!kept) events::checks_not_kept(parts_.tools.telemetry, name, kept.error().text());
}

// What was known before this process. If it cannot be read, the next proofs tell.
void Loads::recall_proofs(Job& job) {
  const auto failed = parts_.checks.failed_last(job.config().name, std::string(kCheck));
  if (failed) job.unproven = *failed;
}

}  // namespace millrace::batch
