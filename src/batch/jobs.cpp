#include "batch/jobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>

#include "base/text.hpp"
#include "batch/events.hpp"
#include "batch/job.hpp"
#include "batch/maintenance.hpp"
#include "batch/replacement.hpp"
#include "os/process.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;
using config::Each;

// While one waits for a file to be durable, another computes. More would only take memory and
// small tasks from each other.
constexpr std::size_t kThreadsOfCore = 2;
constexpr std::size_t kThreadsDefaultMax = 8;

Jobs::Jobs(const JobsParts& parts, config::TimeZone zone) : parts_(parts), zone_(zone) {}

Jobs::~Jobs() {
  stop();
  for (const auto& job : jobs_) parts_.board.remove_table(job->name());
  if (runs_) parts_.board.remove_table("_runs");
  if (checks_) parts_.board.remove_table("_checks");
}

Result<std::unique_ptr<Jobs>> Jobs::open(const JobsParts& parts) {
  const auto zone = TRY(config::TimeZone::find(parts.pipeline.timezone));
  std::unique_ptr<Jobs> jobs(new Jobs(parts, zone));
  TRY(jobs->open_tables());
  return jobs;
}

Result<void> Jobs::open_tables() {
  TableSchemas schemas;
  for (const auto& table : parts_.pipeline.tables) {
    const auto* known = parts_.board.table(table.name);
    CHECK(known);
    schemas.emplace(table.name, known->snapshot()->metadata->schema);
  }
  auto plans = plan_jobs(parts_.pipeline, schemas, parts_.tools.engine);
  if (!plans.errors.empty()) return plans.errors.front();
  runs_ = TRY(
      RunsTable::open(parts_.tools.tables_of(parts_.folder) / "_runs", parts_.tools,
                      {.pipeline = parts_.pipeline.name, .claim_time = parts_.options.claim_time}));
  parts_.board.add_table("_runs", runs_->table());
  checks_ = TRY(ChecksTable::open(parts_.tools.tables_of(parts_.folder) / "_checks", parts_.tools));
  parts_.board.add_table("_checks", checks_->table());
  const auto threads = parts_.options.threads > 0
                           ? parts_.options.threads
                           : std::min(kThreadsOfCore * os::core_count(), kThreadsDefaultMax);
  const RunnerParts runner{parts_.tools, parts_.board, *runs_, *checks_, threads};
  runner_ = std::make_unique<Runner>(runner);
  engine_runs_ = std::make_unique<EngineRuns>(runner, parts_.tools.tables_of(parts_.folder),
                                              Secrets(parts_.pipeline, aws::process_environment()));
  loads_ = std::make_unique<Loads>(LoadsParts{parts_.pipeline, parts_.tools, *runs_, *checks_,
                                              parts_.board, parts_.folder / "scratch" / "loads",
                                              parts_.aws});
  for (auto& plan : plans.plans) TRY(add_job(std::move(plan)));
  std::map<std::string, std::map<std::string, std::int64_t>> committed;  // by job
  const auto find_rows = [&](const Claim& claim) -> std::optional<std::int64_t> {
    const auto job = find(claim.job);
    if (!job) return std::nullopt;
    if (!committed.contains(claim.job)) committed[claim.job] = committed_runs(*(*job)->table);
    const auto& runs = committed[claim.job];
    const auto run = runs.find(claim.run_id);
    return run == runs.end() ? std::nullopt : std::optional(run->second);
  };
  // Claims of other workers that are alive expire by themselves if they are not.
  if (!parts_.pipeline.has_many_workers()) TRY(runs_->end_abandoned(find_rows));
  parts_.board.publish();
  for (const auto& job : jobs_) {
    TRY(recall_failed(*job));
    if (const auto ended = TRY(runs_->last_success(job->name()))) {
      events::last_success(parts_.tools.telemetry, job->name(), *ended);
    }
  }
  return {};
}

Result<void> Jobs::add_job(JobPlan plan) {
  auto job = std::make_unique<Job>();
  job->plan = std::move(plan);
  const auto& config = job->plan.job;
  std::vector<std::string> partition_columns;
  if (config.each != Each::None) partition_columns.push_back(config.each_column);
  auto table = lake::Table::open_or_create(parts_.tools.tables_of(parts_.folder) / config.name,
                                           job->plan.schema, partition_columns, parts_.tools);
  if (!table) {
    Error error = std::move(table).error();
    if (error.code == Code::Invalid) error.place = config.sql.place.text();
    return error;
  }
  job->table = std::move(*table);
  job->engine = engine_of(config);
  std::vector<lake::Table*> inputs;
  for (const auto& input : job->plan.inputs) {
    inputs.push_back(parts_.board.table(input.table));
    CHECK(inputs.back());
  }
  job->freshness = std::make_unique<Freshness>(Freshness::Parts{
      parts_.pipeline.name, job->plan, *job->table, std::move(inputs), zone_, parts_.tools.engine});
  // A new job's first firing is the next one; from then on none is missed.
  if (config.at && !runs_->scheduled_until(config.name)) {
    TRY(runs_->set_scheduled_until(config.name, parts_.tools.clock.now()));
  }
  parts_.board.add_table(config.name, *job->table);
  if (config.load) loads_->add(job->runnable());
  jobs_.push_back(std::move(job));
  return {};
}

std::unique_ptr<Engine> Jobs::engine_of(const config::Job& job) const {
  EngineParts parts{parts_.pipeline, parts_.folder, parts_.tools.telemetry, parts_.aws};
  if (job.engine == config::EngineKind::Spark) return make_spark_submit(std::move(parts));
  if (job.engine == config::EngineKind::Glue) return make_glue_job(std::move(parts));
  return nullptr;
}

Result<Jobs::Job*> Jobs::find(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& job : jobs_) {
    if (job->name() == name) return job.get();
    names.push_back(job->name());
  }
  return Error{Code::NotFound, fmt::format("there is no job '{}'{}", base::printable(name, 60),
                                           base::did_you_mean(name, names))};
}

void Jobs::start() {
  if (thread_.joinable()) return;
  loads_->start();
  for (auto& job : jobs_) {
    if (!job->engine || !job->engine->outlives_process()) continue;
    job->adoption = std::jthread([this, raw = job.get()] {
      const std::lock_guard one_at_a_time(raw->run_mutex);
      const auto adopted = adopt(*raw);
      if (adopted) return;
      events::schedule_failed(parts_.tools.telemetry, raw->name(), adopted.error().text());
    });
  }
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      begin_due();
      changed.wait_for(lock, stop, parts_.options.poll, [] { return false; });
    }
  });
}

void Jobs::stop() {
  stopping_.request_stop();
  thread_.request_stop();
  // The SQL may begin just after an interrupt, so it takes more than one.
  while (running_ > 0) {
    runner_->interrupt();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (thread_.joinable()) thread_.join();
  for (const auto& job : jobs_) {
    if (job->thread.joinable()) job->thread.join();
    if (job->adoption.joinable()) job->adoption.join();
  }
  if (loads_) loads_->stop();
}

// Runs partitions, oldest first and several at once.
Result<std::vector<RunRow>> Jobs::run_all(Job& job, std::vector<Partition> partitions,
                                          Trigger trigger, Only only) {
  std::lock_guard one_at_a_time(job.run_mutex);
  const RunnableJob runnable = job.runnable();
  RunRequest request{runnable, std::move(partitions), trigger, {}};
  if (only == Only::Stale) {
    request.is_wanted = [&](const Partition& one) { return job.freshness->is_stale(one); };
  }
  ++running_;
  auto rows = stopping_.stop_requested() ? Result<std::vector<RunRow>>(std::vector<RunRow>())
                                         : run_where_it_belongs(job, request);
  --running_;
  if (!rows) return rows;
  if (rows->size() < request.partitions.size()) {
    return Error{Code::Cancelled, "the program is stopping"};
  }
  note_failed(job, request.partitions, *rows);
  return rows;
}

Result<std::vector<RunRow>> Jobs::run_where_it_belongs(Job& job, const RunRequest& request) {
  if (!job.engine) return runner_->run(request, stopping_.get_token());
  TRY(adopt(job));
  return engine_runs_->run(request, *job.engine, stopping_.get_token());
}

// What an earlier process left to an engine is waited for, not begun anew.
Result<void> Jobs::adopt(Job& job) {
  if (!job.engine->outlives_process()) return {};
  const auto rows = TRY(engine_runs_->adopt(job.runnable(), *job.engine, stopping_.get_token()));
  if (!rows.empty()) TRY(recall_failed(job));
  return {};
}

// Those that are stale now.
Result<std::vector<Partition>> Jobs::stale_of(Job& job, const std::vector<Partition>& partitions) {
  std::vector<Partition> stale;
  for (const auto& one : partitions) {
    if (TRY(job.freshness->is_stale(one))) stale.push_back(one);
  }
  return stale;
}

Result<std::vector<RunRow>> Jobs::run(std::string_view name,
                                      const std::optional<std::string>& partition) {
  Job& job = *TRY(find(name));
  std::vector<RunRow> rows;
  const auto wanted = TRY(partition_of(job, partition));
  if (wanted && job.freshness->is_final(*wanted)) return why_final(job, *wanted);
  TRY(parts_.stream.take_in());
  if (wanted) {
    rows = TRY(run_all(job, {*wanted}, Trigger::Manual, Only::Any));
  } else {
    const auto partitions = TRY(job.freshness->partitions(parts_.tools.clock.now()));
    const auto stale = TRY(stale_of(job, partitions));
    rows = TRY(run_all(job, stale, Trigger::Manual, Only::Stale));
  }
  TRY(load_after(job, Trigger::Manual, rows));
  return rows;
}

Error Jobs::why_final(const Job& job, const Partition& partition) {
  return {Code::Invalid,
          fmt::format("{} of '{}' is final: rows that it is computed from are no longer kept "
                      "(`keep`), and without them its result would be another",
                      label_of(partition), job.name())};
}

// The partition that is meant; none: all of them.
Result<std::optional<Partition>> Jobs::partition_of(const Job& job,
                                                    const std::optional<std::string>& text) const {
  using Found = std::optional<Partition>;
  const auto each = job.plan.job.each;
  if (each != Each::None) {
    return text ? Found(TRY(parse_partition(each, *text, zone_))) : Found();
  }
  if (!text || *text == label_of(Partition{})) return Found(Partition{});
  return Error{Code::Invalid,
               fmt::format("job '{}' has no partitions, only `all`: leave it out", job.name())};
}

// Whoever ran a job finds it loaded, or told why not.
Result<std::vector<RunRow>> Jobs::load_due() {
  std::vector<RunRow> rows;
  for (const auto& job : jobs_) TRY(load_after(*job, Trigger::Schedule, rows));
  return rows;
}

Result<void> Jobs::load_after(const Job& job, Trigger trigger, std::vector<RunRow>& rows) {
  if (!job.plan.job.load) return {};
  auto loaded = TRY(loads_->load(job.name(), trigger));
  rows.insert(rows.end(), loaded.begin(), loaded.end());
  return {};
}

Result<std::vector<RunRow>> Jobs::load(std::string_view name,
                                       const std::optional<std::string>& partition) {
  Job& job = *TRY(find(name));
  if (!job.plan.job.load) {
    return Error{Code::Invalid, fmt::format("job '{}' has no `load`", name)};
  }
  const auto wanted = partition ? TRY(partition_of(job, partition)) : std::optional<Partition>();
  return loads_->load(job.name(), Trigger::Manual, wanted);
}

Result<RunRow> Jobs::prove(std::string_view name, const std::optional<std::string>& partition) {
  Job& job = *TRY(find(name));
  if (!job.plan.job.load) {
    return Error{Code::Invalid, fmt::format("job '{}' has no `load`", name)};
  }
  const auto wanted = partition ? TRY(partition_of(job, partition)) : std::optional<Partition>();
  return loads_->prove(job.name(), wanted, Trigger::Manual, stopping_.get_token());
}

Result<RunRow> Jobs::prove_by_clock(std::string_view name, const std::stop_token& stop) {
  return loads_->prove(name, {}, Trigger::Schedule, stop);
}

Result<std::vector<RunRow>> Jobs::backfill(std::string_view name, std::string_view from,
                                           std::string_view to, DryRun dry_run) {
  Job& job = *TRY(find(name));
  if (job.plan.job.each == Each::None) {
    return Error{Code::Invalid,
                 fmt::format("job '{}' has no partitions to fill; run it instead", name)};
  }
  const auto partitions = TRY(parse_range(job.plan.job.each, from, to, zone_));
  if (dry_run == DryRun::No) TRY(parts_.stream.take_in());
  const auto stale = TRY(stale_of(job, partitions));
  std::map<std::string, RunRow> rows_by_partition;
  if (dry_run == DryRun::No) {
    for (auto& row : TRY(run_all(job, stale, Trigger::Backfill, Only::Stale))) {
      rows_by_partition.emplace(row.partition, std::move(row));
    }
  }
  const auto now = parts_.tools.clock.now();
  std::vector<RunRow> rows;
  for (const auto& partition : partitions) {
    RunRow untouched{.job = job.name(),
                     .partition = label_of(partition),
                     .started_at = now,
                     .ended_at = now,
                     .trigger = Trigger::Backfill};
    const auto run = rows_by_partition.find(untouched.partition);
    if (run != rows_by_partition.end()) {
      rows.push_back(std::move(run->second));
    } else if (std::ranges::binary_search(stale, partition)) {
      untouched.status = RunStatus::Planned;
      rows.push_back(std::move(untouched));
    } else {
      untouched.status = RunStatus::Skipped;
      untouched.error = job.freshness->is_final(partition)
                            ? why_final(job, partition).message
                            : "it is fresh: nothing that it reads has changed";
      rows.push_back(std::move(untouched));
    }
  }
  if (dry_run == DryRun::No) TRY(load_after(job, Trigger::Backfill, rows));
  return rows;
}

Result<std::vector<RunRow>> Jobs::runs(const RunFilter& filter) {
  // Loads are runs of `job@warehouse`.
  const bool is_job = !filter.job.empty() && !Maintenance::is_run_name(filter.job) &&
                      !StreamProofs::is_run_name(filter.job);
  if (is_job) (void)TRY(find(filter.job.substr(0, filter.job.find('@'))));
  return runs_->runs(filter);
}

}  // namespace millrace::batch
