#include "batch/runner.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.hpp"
#include "batch/attempts.hpp"
#include "batch/checker.hpp"
#include "batch/events.hpp"
#include "batch/job_sql.hpp"
#include "lake/data_file.hpp"
#include "lake/file_cache.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

constexpr int kRecomputesMax = 10;
constexpr std::size_t kHistoryMax = 200;
constexpr std::string_view kResult = "millrace_result";
constexpr std::string_view kStopped = "the program was stopped during the run";
constexpr std::string_view kTaken = "the claim of the run expired and was taken by another process";

std::string one_line(std::string_view sql) {
  std::string line;
  for (const char c : base::trimmed(sql)) {
    const bool is_space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!is_space || !line.ends_with(' ')) line += is_space ? ' ' : c;
  }
  return base::printable(line, 120);
}

std::string columns_of(const lake::Schema& schema) {
  std::vector<std::string> names;
  for (const auto& column : schema) names.push_back(base::sql_name(column.name));
  return base::join(names, ", ");
}

Result<void> show(sql::Connection& connection, const std::string& name, const std::string& select) {
  return connection.run(
      fmt::format("CREATE OR REPLACE TEMP VIEW {} AS {}", base::sql_name(name), select));
}

}  // namespace

/// A run under way.
struct Runner::Task {
  const RunnableJob& job;
  const Partition& partition;
  const std::stop_token& stopping;
  std::mutex claim_mutex;
  Claim claim;                           // Guarded by claim_mutex.
  bool has_claim = true;                 // Guarded by claim_mutex.
  std::vector<CheckResult> checks = {};  // of the last attempt

  const JobPlan& plan() const { return job.plan; }
  std::string bound(const std::string& sql) const {
    const auto& each = plan().job.each_column;
    return each.empty() ? sql : with_parameter(sql, each, literal_of(partition));
  }
};

/// What a run reads and what came out.
struct Runner::Computed {
  std::shared_ptr<const flow::Cut> cut;
  std::shared_ptr<const lake::Snapshot> output;  // what is replaced
  std::map<std::string, std::shared_ptr<const lake::Snapshot>> read;
  std::optional<lake::AddFile> file;  // none: no rows
  lake::Pins pins = {};               // of copies of the files that are read
};

std::string Runner::why_cancelled(Task& task) {
  std::lock_guard lock(task.claim_mutex);
  return std::string(task.has_claim ? kStopped : kTaken);
}

void Runner::interrupt() {
  std::lock_guard lock(mutex_);
  if (running_) running_->interrupt();
}

Result<RunRow> Runner::run(const RunnableJob& job, const Partition& partition, Trigger trigger,
                           const std::stop_token& stopping) {
  const auto& tools = parts_.tools;
  const auto started = tools.clock.steady_now();
  RunRow row{.run_id = new_run_id(tools.clock.now(), tools.random),
             .job = job.plan.job.name,
             .partition = label_of(partition),
             .started_at = tools.clock.now(),
             .trigger = trigger};
  row.ended_at = row.started_at;
  const Claim wanted{.run_id = row.run_id,
                     .job = row.job,
                     .partition = row.partition,
                     .trigger = trigger,
                     .started_at = row.started_at};
  auto claimed = TRY(parts_.runs.claim(
      wanted, [&](const Claim& claim) { return committed_rows(job.output, claim); }));
  if (const auto* held = std::get_if<Held>(&claimed)) {
    row.status = RunStatus::Skipped;
    row.error = fmt::format("another process runs it, its claim expires at {}",
                            base::format_time(held->until));
    return row;
  }
  events::run_started(tools.telemetry, row.job, row.partition, trigger);
  Task task{job, partition, stopping, {}, std::get<Claim>(claimed)};
  const auto rows = run_claimed(task, row);
  row.status = rows ? RunStatus::Succeeded : RunStatus::Failed;
  if (rows) row.rows = *rows;
  if (!rows) row.error = rows.error().text();
  row.duration =
      std::chrono::duration_cast<std::chrono::microseconds>(tools.clock.steady_now() - started);
  row.ended_at = std::max(tools.clock.now(), row.started_at);
  events::run_ended(tools.telemetry, row);
  note_checks(task, row);
  // Who took a lost claim has written the run's row. A row that cannot be written now is written
  // when the claim has expired.
  auto finished = task.has_claim ? parts_.runs.finish(task.claim, row) : Result<void>();
  parts_.board.publish();
  if (!finished && !rows) return std::move(finished).error();
  return row;
}

// Attempts, with growing waits between them, while the claim is kept alive.
Result<std::int64_t> Runner::run_claimed(Task& task, RunRow& row) {
  std::jthread keeper([&](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      changed.wait_for(lock, stop, 500ms, [] { return false; });
      if (!stop.stop_requested() && !keep_claim(task)) return;
    }
  });
  const auto& retry = task.plan().job.retry;
  auto pause = retry.first_wait;
  for (row.attempt = 1;; ++row.attempt, pause = std::min(pause * 2, kRetryWaitMax)) {
    auto rows = attempt(task);
    if (rows || !may_pass(rows.error()) || row.attempt >= retry.attempts) return rows;
    events::run_retried(parts_.tools.telemetry, row.job, row.partition, row.attempt,
                        rows.error().text());
    if (!wait(parts_.tools.clock, pause, task.stopping)) return rows;
  }
}

// An error ends the keeping: the claim is lost, or will expire.
Result<void> Runner::keep_claim(Task& task) {
  std::lock_guard lock(task.claim_mutex);
  if (!parts_.runs.is_due_for_renewal(task.claim)) return {};
  const auto renewed = parts_.runs.renew(task.claim);
  // A passing fault: there is time until it expires.
  if (!renewed) return {};
  if (*renewed) return {};
  task.has_claim = false;
  events::claim_lost(parts_.tools.telemetry, task.claim.job, task.claim.partition);
  interrupt();
  return Error{Code::Unavailable, "the claim was lost"};
}

Result<std::int64_t> Runner::attempt(Task& task) {
  for (int recomputed = 0; recomputed < kRecomputesMax; ++recomputed) {
    if (task.stopping.stop_requested()) {
      return Error{Code::Cancelled, std::string(kStopped)};
    }
    auto outcome = TRY(compute_and_commit(task));
    if (const auto* rows = std::get_if<std::int64_t>(&outcome)) return *rows;
    events::run_recomputed(parts_.tools.telemetry, task.plan().job.name, label_of(task.partition),
                           std::get<lake::Conflict>(outcome).detail);
  }
  return Error{Code::Unavailable,
               fmt::format("others changed the partition during the run, {} times in a row",
                           kRecomputesMax)};
}

Result<Runner::Attempted> Runner::compute_and_commit(Task& task) {
  Computed computed = TRY(pin(task));
  {
    auto connection = TRY(parts_.tools.engine.connect());
    {
      std::lock_guard lock(mutex_);
      running_ = &connection;
    }
    auto done = compute(task, computed, connection);
    {
      std::lock_guard lock(mutex_);
      running_ = nullptr;
    }
    if (!done) {
      Error error = std::move(done).error();
      if (error.code == Code::Cancelled) error.message = why_cancelled(task);
      return error;
    }
  }
  return commit(task, computed);
}

// All tables as they are at one moment.
Result<Runner::Computed> Runner::pin(const Task& task) {
  Computed computed;
  computed.output = TRY(task.job.output.refresh());
  parts_.board.publish();
  computed.cut = parts_.board.cut();
  for (const auto& input : task.plan().inputs) {
    const auto table = computed.cut->tables.find(input.table);
    if (table == computed.cut->tables.end()) {
      return Error{Code::NotFound, fmt::format("there is no table '{}'", input.table)};
    }
    computed.read.emplace(input.table, table->second.snapshot);
  }
  return computed;
}

Result<void> Runner::compute(Task& task, Computed& computed, sql::Connection& connection) {
  const auto& plan = task.plan();
  for (const auto& name : plan.views) {
    const auto table = computed.cut->tables.find(name);
    if (table == computed.cut->tables.end()) {
      return Error{Code::NotFound, fmt::format("there is no table '{}'", name)};
    }
    const auto& cut = table->second;
    TRY(show(connection, name,
             parts_.tools.cache
                 ? parts_.tools.cache->scan_sql(cut.root, *cut.snapshot, computed.pins)
                 : lake::scan_sql(cut.root, *cut.snapshot)));
  }
  const auto at_sql = [&](Result<void> done) -> Result<void> {
    if (done || done.error().code != Code::Invalid) return done;
    return Error{Code::Invalid, done.error().message, plan.job.sql.place.text()};
  };
  TRY(at_sql(
      connection.run(fmt::format("CREATE TEMP TABLE {} AS {}", kResult, task.bound(plan.select)))));
  TRY(judge(task, computed, connection));
  const std::string select =
      fmt::format("SELECT {} FROM {}", lake::data_columns(*computed.output->metadata), kResult);
  computed.file = TRY(lake::write_data_file(connection, task.job.output, select,
                                            values_of(task.partition, plan.job.each_column)));
  return {};
}

// Everything that must hold before the partition is replaced.
Result<void> Runner::judge(Task& task, const Computed& computed, sql::Connection& connection) {
  const auto& plan = task.plan();
  task.checks.clear();
  if (plan.reconcile.empty() && plan.job.expectations.empty()) return {};
  std::vector<std::shared_ptr<const lake::AddFile>> others;
  const auto values = values_of(task.partition, plan.job.each_column);
  for (const auto& [path, file] : computed.output->files) {
    if (file->partition_values != values) others.push_back(file);
  }
  TRY(show(connection, plan.job.name,
           fmt::format("{} UNION ALL SELECT {} FROM {}",
                       lake::scan_sql(task.job.output.root(), *computed.output->metadata, others),
                       columns_of(plan.schema), kResult)));
  auto reconciled = reconcile(task, connection);
  const NewPartition fresh{.plan = plan,
                           .partition = task.partition,
                           .result = std::string(kResult),
                           .run = {.run_id = task.claim.run_id,
                                   .job = plan.job.name,
                                   .partition = label_of(task.partition),
                                   .at = parts_.tools.clock.now()}};
  const auto results = TRY(check(fresh, connection, parts_.checks));
  task.checks.insert(task.checks.end(), results.begin(), results.end());
  TRY(std::move(reconciled));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].outcome != CheckOutcome::Failed) continue;
    return Error{Code::Invalid, fmt::format("expect {}: {}", results[i].check, results[i].detail),
                 plan.job.expectations[i].place.text()};
  }
  return {};
}

// The results are told also of a run that failed because of them.
void Runner::note_checks(const Task& task, const RunRow& row) {
  for (const auto& result : task.checks) events::checked(parts_.tools.telemetry, row.job, result);
  const auto added = parts_.checks.add(
      {.run_id = row.run_id, .job = row.job, .partition = row.partition, .at = row.ended_at},
      task.checks);
  if (!added) events::checks_not_kept(parts_.tools.telemetry, row.job, added.error().text());
}

Result<void> Runner::reconcile(Task& task, sql::Connection& connection) {
  const auto& pairs = task.plan().reconcile;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& [left, right] = pairs[i];
    const auto place = task.plan().job.reconcile[i].left.place.text();
    auto rows = connection.query(task.bound(
        fmt::format("SELECT l IS NOT DISTINCT FROM r, coalesce(CAST(l AS VARCHAR), 'NULL'), "
                    "coalesce(CAST(r AS VARCHAR), 'NULL') FROM (SELECT ({}\n) AS l, ({}\n) AS r)",
                    left, right)));
    if (!rows) {
      const bool is_invalid = rows.error().code == Code::Invalid;
      return is_invalid ? Error{Code::Invalid, "reconcile: " + rows.error().message, place}
                        : rows.error();
    }
    const auto chunk = TRY(rows->next());
    CHECK(chunk && chunk->row_count() == 1);
    auto& result = task.checks.emplace_back();
    result = {.check = fmt::format("reconcile {}", i + 1), .kind = "reconcile"};
    if (chunk->column(0).data<bool>()[0]) continue;
    result.outcome = CheckOutcome::Failed;
    result.detail = fmt::format("{} is not {}", chunk->column(1).text(0), chunk->column(2).text(0));
    return Error{Code::Invalid,
                 fmt::format("reconcile: {} is not {}\n  {}  gives {}\n  {}  gives {}",
                             chunk->column(1).text(0), chunk->column(2).text(0), one_line(left),
                             chunk->column(1).text(0), one_line(right), chunk->column(2).text(0)),
                 place};
  }
  return {};
}

Result<Runner::Attempted> Runner::commit(Task& task, const Computed& computed) {
  const auto& plan = task.plan();
  auto& output = task.job.output;
  const auto values = values_of(task.partition, plan.job.each_column);
  const auto rows = computed.file ? computed.file->record_count : 0;
  lake::Transaction change{.operation = "WRITE"};
  change.parameters = {{"mode", "Overwrite"}};
  for (const auto& [column, value] : values) {
    change.parameters["predicate"] = fmt::format("{} = '{}'", column, *value);
  }
  if (computed.file) change.adds.push_back(*computed.file);
  for (const auto& old : computed.output->files_of(values)) {
    change.removes.push_back(
        {.path = old->path, .partition_values = old->partition_values, .size = old->size});
  }
  change.positions = TRY(task.job.marks.after_run(*computed.output, task.partition, computed.read));
  change.replaced_partitions = {values};
  change.read_version = computed.output->version;
  const auto drop_file = [&] {
    if (!computed.file) return;
    output.discard_file(computed.file->path);
  };
  std::lock_guard lock(task.claim_mutex);
  const bool has_claim = task.has_claim && TRY(parts_.runs.still_holds(task.claim));
  if (!has_claim) {
    drop_file();
    task.has_claim = false;
    return Error{Code::Cancelled, std::string(kTaken)};
  }
  change.extra = nlohmann::json{{"run_id", task.claim.run_id}, {"rows", rows}}.dump();
  auto outcome = output.commit(change);
  if (!outcome) {
    if (outcome.error().code != Code::Unknown) {
      drop_file();
      return std::move(outcome).error();
    }
    const auto now = TRY(output.refresh());
    const auto& mark = change.positions.back();
    if (now->transaction(mark.app_id) != mark.next) return std::move(outcome).error();
  } else if (auto* conflict = std::get_if<lake::Conflict>(&*outcome)) {
    drop_file();
    return Attempted(std::move(*conflict));
  }
  (void)output.maintain(output.snapshot()->version).has_value();  // comes again with the next run
  parts_.board.publish();
  return Attempted(rows);
}

std::optional<std::int64_t> Runner::committed_rows(const lake::Table& output, const Claim& claim) {
  const auto history = output.history(kHistoryMax);
  if (!history) return std::nullopt;
  for (const auto& info : *history) {
    const auto extra = nlohmann::json::parse(info.extra, nullptr, false);
    if (extra.is_object() && extra.value("run_id", "") == claim.run_id) {
      return extra.value("rows", std::int64_t{0});
    }
  }
  return std::nullopt;
}

}  // namespace millrace::batch
