#include "batch/maintenance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>

#include "base/text.hpp"
#include "batch/age.hpp"
#include "batch/attempts.hpp"
#include "batch/events.hpp"
#include "batch/single_run.hpp"
#include "flow/rejects_table.hpp"
#include "flow/unread.hpp"
#include "lake/retention.hpp"
#include "lake/rewrite.hpp"
#include "os/process.hpp"
#include "sql/interrupt_on_stop.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

namespace {

constexpr std::string_view kRunPrefix = "maintenance@";

Error stopped() {
  return {Code::Cancelled, "the program was stopped during the run"};
}

}  // namespace

/// One table's maintenance under way.
struct Maintenance::Work {
  const std::string& name;
  lake::Table& table;
  sql::Connection connection;
  Claim* claim = nullptr;
  Maintained done = {};
};

std::string Maintenance::run_name(std::string_view table) {
  return fmt::format("{}{}", kRunPrefix, table);
}

bool Maintenance::is_run_name(std::string_view job) {
  return job.starts_with(kRunPrefix);
}

Result<std::unique_ptr<Maintenance>> Maintenance::open(const MaintenanceParts& parts) {
  const auto zone = TRY(config::TimeZone::find(parts.pipeline.timezone));
  std::unique_ptr<Maintenance> maintenance(new Maintenance(parts, zone));
  if (parts.pipeline.maintenance) TRY(maintenance->begin_schedules());
  return maintenance;
}

// A table that is new begins with the next firing.
Result<void> Maintenance::begin_schedules() {
  std::vector<std::string> fresh;
  for (const auto& name : names()) {
    auto job = run_name(name);
    if (!parts_.runs.scheduled_until(job)) fresh.push_back(std::move(job));
  }
  return parts_.runs.set_scheduled_until(fresh, parts_.tools.clock.now());
}

void Maintenance::start() {
  if (thread_.joinable() || !parts_.pipeline.maintenance) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    os::lower_thread_priority();
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      run_due();
      changed.wait_for(lock, stop, parts_.poll, [] { return false; });
    }
  });
}

void Maintenance::stop() {
  stopping_.request_stop();
  thread_.request_stop();
  if (parts_.proofs) parts_.proofs->stop();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard none_is_under_way(run_mutex_);
}

// The pipeline's own tables come last: the others' runs are written there.
std::vector<std::string> Maintenance::names() const {
  auto all = parts_.board.table_names();
  std::ranges::stable_partition(all, [](const std::string& name) { return name[0] != '_'; });
  return all;
}

microseconds Maintenance::keep_of(const std::string& name) const {
  if (const auto* table = parts_.pipeline.table(name)) return table->keep;
  const auto* job = parts_.pipeline.job(name);
  return job ? job->keep : microseconds(0);
}

void Maintenance::run_due() {
  if (!parts_.pipeline.maintenance) return;
  for (const auto& name : names()) {
    if (stopping_.stop_requested()) return;
    const auto done = run_due(name);
    if (!done && done.error().code != Code::Cancelled) {
      events::schedule_failed(parts_.tools.telemetry, run_name(name), done.error().text());
    }
  }
}

// Of the firings that were missed the last one counts.
Result<void> Maintenance::run_due(const std::string& name) {
  const auto& cron = *parts_.pipeline.maintenance;
  const auto job = run_name(name);
  const auto now = parts_.tools.clock.now();
  const auto until = parts_.runs.scheduled_until(job);
  if (!until) return parts_.runs.set_scheduled_until(job, now);
  std::optional<base::Time> last;
  for (auto firing = cron.next_after(*until, zone_); firing <= now;
       firing = cron.next_after(firing, zone_)) {
    last = firing;
  }
  if (!last) return {};
  const auto row = TRY(run_one(name, Trigger::Schedule));
  // In order, few files are to be opened; and what was just done is proven too. Who did it, does.
  if (row.status != RunStatus::Skipped) {
    const auto proven = prove(name);
    if (!proven && proven.error().code != Code::Cancelled) {
      events::schedule_failed(parts_.tools.telemetry, proof_name(name), proven.error().text());
    }
  }
  // What was broken off goes on with the next start; what another process does is not repeated.
  if (stopping_.stop_requested()) return stopped();
  return parts_.runs.set_scheduled_until(job, *last);
}

Result<std::vector<RunRow>> Maintenance::run(const std::optional<std::string>& table) {
  if (table && !parts_.board.table(*table)) {
    return Error{Code::NotFound,
                 fmt::format("no table is named '{}'{}", base::printable(*table),
                             base::did_you_mean(*table, parts_.board.table_names()))};
  }
  std::vector<RunRow> rows;
  for (const auto& name : table ? std::vector<std::string>{*table} : names()) {
    rows.push_back(TRY(run_one(name, Trigger::Manual)));
  }
  return rows;
}

Result<std::vector<RunRow>> Maintenance::run_all() {
  std::vector<RunRow> rows;
  for (const auto& name : names()) {
    rows.push_back(TRY(run_one(name, Trigger::Schedule)));
    const auto proven = TRY(prove(name));
    rows.insert(rows.end(), proven.begin(), proven.end());
  }
  return rows;
}

// One run; none if it is neither filled by a stream nor loaded.
Result<std::vector<RunRow>> Maintenance::prove(const std::string& name) {
  std::vector<RunRow> rows;
  if (stopping_.stop_requested()) return rows;
  if (parts_.proofs && parts_.proofs->has(name)) {
    for (const auto& proof : TRY(parts_.proofs->run(name, Trigger::Schedule))) {
      rows.push_back(proof.run);
    }
  } else if (parts_.jobs && parts_.jobs->has_warehouse(name)) {
    rows.push_back(TRY(parts_.jobs->prove_by_clock(name, stopping_.get_token())));
  }
  return rows;
}

std::string Maintenance::proof_name(const std::string& name) const {
  const auto* job = parts_.pipeline.job(name);
  return job ? Loads::proof_name(*job) : StreamProofs::run_name(name);
}

Result<RunRow> Maintenance::run_one(const std::string& name, Trigger trigger) {
  const std::lock_guard one_at_a_time(run_mutex_);
  if (stopping_.stop_requested()) return stopped();
  auto* table = parts_.board.table(name);
  CHECK(table);
  Work work{name, *table, TRY(parts_.tools.engine.connect())};
  const auto ended = [&](const RunRow& row) {
    events::maintained(parts_.tools.telemetry, name, row, work.done);
  };
  const SingleRun single{.job = run_name(name),
                         .partition = label_of(Partition{}),
                         .trigger = trigger,
                         .held = "is at it",
                         .work = [&](RunRow& row, Claim& claim) { run_work(work, row, claim); },
                         .ended = ended};
  auto done = TRY(run_single(parts_.runs, single));
  parts_.board.publish();
  return done;
}

void Maintenance::run_work(Work& work, RunRow& row, Claim& claim) {
  work.claim = &claim;
  const sql::InterruptOnStop interrupt(work.connection, stopping_.get_token());
  const auto done = do_all(work);
  row.status = done ? RunStatus::Succeeded : RunStatus::Failed;
  row.rows = work.done.rows_removed;
  if (done) return;
  row.error = done.error().code == Code::Cancelled ? stopped().message : done.error().text();
}

Result<void> Maintenance::do_all(Work& work) {
  TRY(remove_old(work));
  TRY(compact(work));
  TRY(tidy_log(work));
  return vacuum(work);
}

// Between two steps: whether to go on, with the claim alive.
Result<void> Maintenance::go_on(Work& work) {
  if (stopping_.stop_requested()) return stopped();
  if (!parts_.runs.is_due_for_renewal(*work.claim)) return {};
  std::vector<Claim> claims{*work.claim};
  TRY(parts_.runs.renew(claims));
  if (claims.empty()) {
    return Error{Code::Unavailable,
                 "the claim of the run expired and was taken by another process"};
  }
  *work.claim = claims.front();
  return {};
}

Result<void> Maintenance::remove_old(Work& work) {
  const auto keep = keep_of(work.name);
  if (keep == microseconds(0)) return {};
  TRY(go_on(work));
  parts_.board.publish();
  const auto cut = parts_.board.cut();
  const auto* job = parts_.pipeline.job(work.name);
  const auto* table = parts_.pipeline.table(work.name);
  flow::Reached unread;
  if (table) {
    const auto life = parts_.incarnations.find(parts_.pipeline.root_source(*table).name);
    if (life == parts_.incarnations.end()) return {};
    unread = flow::unread_rows(parts_.pipeline, *table, life->second, *cut);
  }
  const auto& metadata = *work.table.snapshot()->metadata;
  const auto age = job ? Age::of(*job, zone_) : Age::of(parts_.pipeline, *table, metadata, zone_);
  const auto removed = TRY(lake::remove_old_rows(
      work.table,
      {.horizon = parts_.tools.clock.now() - keep,
       .end_of =
           [&](const lake::AddFile& file) {
             return age.end_of(file, work.table.root(), work.connection);
           },
       .is_needed = [&](const lake::AddFile& file) { return flow::may_hold(file, unread); },
       .moved =
           [&](const lake::Snapshot& snapshot, const auto& files) {
             return flow::removed_rows(work.table, work.name, snapshot, files, work.connection);
           }}));
  work.done.rows_removed = removed.rows;
  work.done.files_removed = removed.files;
  work.done.files_needed = removed.files_needed;
  parts_.board.publish();
  return {};
}

Result<void> Maintenance::compact(Work& work) {
  const auto compacted =
      TRY(lake::compact(work.table, {.connection = &work.connection, .before_each = [&] {
                                       parts_.board.publish();
                                       return go_on(work);
                                     }}));
  work.done.files_before = compacted.files_before;
  work.done.files_after = compacted.files_after;
  parts_.board.publish();
  return {};
}

// The log of a table is kept as far back as the rejects table has not followed it.
Result<void> Maintenance::tidy_log(Work& work) {
  TRY(go_on(work));
  auto keep_from = work.table.snapshot()->version;
  if (parts_.pipeline.table(work.name)) {
    const auto* rejects = parts_.board.table(flow::kRejectsTable);
    keep_from = rejects
                    ? flow::followed_version(*rejects->snapshot(), parts_.pipeline.name, work.name)
                    : base::TableVersion(-1);
  }
  return work.table.maintain(keep_from, lake::Table::When::Now);
}

Result<void> Maintenance::vacuum(Work& work) {
  TRY(go_on(work));
  const auto vacuumed = TRY(lake::vacuum(work.table));
  work.done.files_deleted = vacuumed.paths.size();
  work.done.bytes_deleted = vacuumed.bytes;
  return {};
}

Result<MaintenanceStatus> Maintenance::status() {
  MaintenanceStatus status;
  if (const auto& cron = parts_.pipeline.maintenance) {
    status.at = cron->text();
    status.next_run_at = cron->next_after(parts_.tools.clock.now(), zone_);
  }
  for (const auto& name : names()) {
    auto* table = parts_.board.table(name);
    if (!table) continue;
    TableMaintenance one{.table = name,
                         .keep = keep_of(name),
                         .kept_from = lake::kept_from(*table->snapshot()),
                         .last_run = {}};
    auto last = TRY(parts_.runs.last_runs(run_name(name)));
    if (!last.empty()) one.last_run = std::move(last.front());
    status.tables.push_back(std::move(one));
  }
  return status;
}

}  // namespace millrace::batch
