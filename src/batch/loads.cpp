#include "batch/loads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>

#include "batch/events.hpp"
#include "batch/loads_job.hpp"
#include "batch/single_run.hpp"
#include "lake/retention.hpp"
#include "lake/snapshot.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Result;
using namespace std::chrono_literals;

constexpr auto kPoll = 1s;

}  // namespace

Loads::Loads(const LoadsParts& parts) : parts_(parts) {
  for (const auto& one : parts.pipeline.warehouses) {
    auto place = std::make_unique<Place>();
    place->warehouse =
        make_warehouse({one, parts.tools, parts.scratch / ("load_" + one.name), parts.aws});
    places_.emplace(one.name, std::move(place));
  }
}

Loads::~Loads() {
  stop();
}

std::string Loads::run_name(const config::Job& job) {
  return job.name + "@" + job.load->warehouse;
}

void Loads::add(const RunnableJob& runnable) {
  const auto& config = runnable.plan.job;
  jobs_.emplace(config.name, std::make_unique<Job>(runnable, parts_.pipeline.name,
                                                   *places_.at(config.load->warehouse)));
  recall_proofs(*jobs_.at(config.name));
}

void Loads::start() {
  for (const auto& [name, place] : places_) {
    if (place->thread.joinable()) continue;
    place->thread = std::jthread([this, raw = place.get()](const std::stop_token& stop) {
      std::mutex mutex;
      std::condition_variable_any changed;
      std::unique_lock lock(mutex);
      while (!stop.stop_requested()) {
        run_due(*raw, stop);
        changed.wait_for(lock, stop, kPoll, [] { return false; });
      }
    });
  }
}

void Loads::stop() {
  stopping_.request_stop();
  for (const auto& [name, place] : places_) place->thread.request_stop();
  for (const auto& [name, place] : places_) {
    if (place->thread.joinable()) place->thread.join();
  }
}

void Loads::run_due(Place& place, const std::stop_token& stop) {
  for (const auto& [name, job] : jobs_) {
    if (&job->place != &place || stop.stop_requested()) continue;
    const std::lock_guard one_at_a_time(place.mutex);
    if (job->down && parts_.tools.clock.now() < job->down->at) continue;
    const auto done = load_within(*job, Trigger::Schedule, {}, stop);
    if (!done && done.error().code != Code::Cancelled) note(*job, {}, &done.error());
  }
}

Result<std::vector<RunRow>> Loads::load(std::string_view name, Trigger trigger,
                                        const std::optional<Partition>& only) {
  auto& job = *jobs_.find(name)->second;
  const std::lock_guard one_at_a_time(job.place.mutex);
  return load_within(job, trigger, only, stopping_.get_token());
}

Result<std::vector<RunRow>> Loads::load_within(Job& job, Trigger trigger,
                                               const std::optional<Partition>& only,
                                               const std::stop_token& stop) {
  std::vector<Wanted> all;
  if (only) {
    const auto snapshot = job.runnable.output.snapshot();
    const auto mark = snapshot->transaction(job.runnable.marks.sql_mark(*only));
    if (!mark) {
      return base::Error{Code::NotFound, fmt::format("partition {} of '{}' has not run yet",
                                                     label_of(*only), job.config().name)};
    }
    if (const auto from = lake::kept_from(*snapshot); from && only->start < *from) {
      return base::Error{Code::Invalid,
                         fmt::format("the rows of {} of '{}' are no longer kept (`keep`); the "
                                     "warehouse keeps what it has",
                                     label_of(*only), job.config().name)};
    }
    all.push_back({*only, {snapshot->metadata->id, *mark}, true});
  } else {
    all = TRY(waiting(job, trigger, stop));
  }
  std::vector<RunRow> rows;
  for (const auto& wanted : all) {
    if (stop.stop_requested()) break;
    const auto failed = job.failed.find(ledger_key(wanted.partition));
    const bool waits = trigger == Trigger::Schedule && failed != job.failed.end() &&
                       failed->second.first.covers(wanted.mark) &&
                       parts_.tools.clock.now() < failed->second.second.at;
    if (waits) continue;
    rows.push_back(TRY(run(job, wanted, trigger, stop)));
    if (job.down) break;  // the others would fail alike
  }
  return rows;
}

// What the warehouse lacks, oldest first. If it cannot be asked now, what its loads in `_runs` say.
// Who asks for a load by hand may have changed something there.
Result<std::vector<Loads::Wanted>> Loads::waiting(Job& job, Trigger trigger,
                                                  const std::stop_token& stop) {
  const auto now = parts_.tools.clock.now();
  {
    const std::lock_guard lock(job.mutex);
    const bool is_young = trigger == Trigger::Schedule && now < job.ask_at;
    if (job.ledger && is_young) return not_loaded(job, *job.ledger);
  }
  auto asked = job.place.warehouse->ledger(job.target, stop);
  if (!asked) {
    auto by_history = TRY(not_loaded_by_history(job));
    const std::lock_guard lock(job.mutex);
    if (!job.ledger) job.ledger = all_but(job, by_history);
    if (by_history.empty()) return std::move(asked).error();
    return by_history;
  }
  const std::lock_guard lock(job.mutex);
  job.ledger = std::move(*asked);
  job.ask_at = now + kLedgerAge;
  return not_loaded(job, *job.ledger);
}

// The ledger of a warehouse that lacks these.
Ledger Loads::all_but(const Job& job, const std::vector<Wanted>& missing) const {
  Ledger ledger;
  for (const auto& one : not_loaded(job, {})) ledger[ledger_key(one.partition)] = one.mark;
  for (const auto& one : missing) ledger.erase(ledger_key(one.partition));
  return ledger;
}

std::vector<Loads::Wanted> Loads::not_loaded(const Job& job, const Ledger& ledger) const {
  std::vector<Wanted> found;
  const auto all = load_marks(job.runnable.marks, *job.runnable.output.snapshot());
  for (const auto& [partition, mark] : all) {
    if (!covers(ledger, partition, mark)) found.push_back({partition, mark});
  }
  return found;
}

Result<std::vector<Loads::Wanted>> Loads::not_loaded_by_history(const Job& job) const {
  std::map<std::string, base::Time> loaded;
  for (const auto& row : TRY(parts_.runs.last_runs(job.name))) {
    if (row.status == RunStatus::Succeeded) loaded[row.partition] = row.started_at;
  }
  std::set<std::string> fresh;
  for (const auto& row : TRY(parts_.runs.last_runs(job.config().name))) {
    const auto found = loaded.find(row.partition);
    if (found != loaded.end() && found->second >= row.ended_at) fresh.insert(row.partition);
  }
  auto all = not_loaded(job, {});
  std::erase_if(all, [&](const Wanted& one) { return fresh.contains(label_of(one.partition)); });
  return all;
}

Result<RunRow> Loads::run(Job& job, const Wanted& wanted, Trigger trigger,
                          const std::stop_token& stop) {
  std::optional<base::Error> failure;
  const auto work = [&](RunRow& row, const Claim&) {
    const PartitionLoad load{
        .partition = wanted.partition,
        .mark = wanted.mark,
        .run_id = row.run_id,
        .is_again = wanted.is_again,
        .select = select_of(job, *job.runnable.output.snapshot(), wanted.partition)};
    const auto rows =
        attempt(job, row, stop, [&] { return job.place.warehouse->load(job.target, load, stop); });
    if (rows) row.rows = *rows;
    if (!rows) failure = rows.error();
    row.error = rows ? prove(job, load, row, stop) : rows.error().text();
    row.status = row.error.empty() ? RunStatus::Succeeded : RunStatus::Failed;
  };
  const auto ended = [&](const RunRow& row) {
    events::load_ended(parts_.tools.telemetry, row);
    if (!failure) {
      const std::lock_guard lock(job.mutex);
      if (job.ledger) (*job.ledger)[ledger_key(wanted.partition)] = wanted.mark;
      job.ask_at = {};  // the table may have been made anew, without the rows of others
    }
    note(job, wanted, failure ? &*failure : nullptr);
  };
  auto row = TRY(run_single(parts_.runs, {.job = job.name,
                                          .partition = label_of(wanted.partition),
                                          .trigger = trigger,
                                          .held = "loads it",
                                          .work = work,
                                          .ended = ended}));
  parts_.board.publish();
  return row;
}

std::string Loads::select_of(const Job& job, const lake::Snapshot& snapshot,
                             const Partition& partition) {
  const auto values = values_of(partition, job.target.partition_column);
  return lake::scan_sql(job.runnable.output.root(), *snapshot.metadata, snapshot.files_of(values));
}

// How the last load went: `error` is null if well. What the ledger says is asked anew after a
// failure: somebody may have changed the warehouse.
void Loads::note(Job& job, const std::optional<Wanted>& wanted, const base::Error* error) {
  const auto now = parts_.tools.clock.now();
  const bool is_down = error && (!wanted || may_pass(*error) || error->code == Code::Denied);
  if (is_down) {
    if (!job.down) job.down.emplace();
    job.down->put_off(now, *error);
  } else {
    job.down.reset();
  }
  if (wanted) {
    const auto key = ledger_key(wanted->partition);
    if (!error) job.failed.erase(key);
    if (error && !is_down) {
      auto& [mark, again] = job.failed[key];
      mark = wanted->mark;
      again.put_off(now, *error);
    }
  }
  const std::lock_guard lock(job.mutex);
  if (error && error->code != Code::Cancelled && job.error != error->text()) {
    events::load_waits(parts_.tools.telemetry, job.name, error->text());
  }
  job.error = job.down             ? job.down->error
              : job.failed.empty() ? ""
                                   : job.failed.rbegin()->second.second.error;
  if (error) job.ask_at = {};
  if (!job.ledger) return;
  const auto waiting = not_loaded(job, *job.ledger).size();
  events::loads_waiting(parts_.tools.telemetry, job.name, waiting);
}

LoadStatus Loads::status(std::string_view name) const {
  const auto& job = *jobs_.find(name)->second;
  LoadStatus status{.warehouse = job.config().load->warehouse, .table = job.target.table};
  const std::lock_guard lock(job.mutex);
  status.is_known = job.ledger.has_value();
  status.error = job.error;
  status.unproven = job.unproven;
  if (!job.ledger) return status;
  for (const auto& one : not_loaded(job, *job.ledger)) {
    status.waiting.insert(label_of(one.partition));
  }
  return status;
}

}  // namespace millrace::batch
