#include "batch/jobs.hpp"

#include <fmt/format.h>

#include <condition_variable>

#include "base/text.hpp"
#include "batch/events.hpp"
#include "batch/job.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;
using config::Each;

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
  runner_ = std::make_unique<Runner>(RunnerParts{parts_.tools, parts_.board, *runs_, *checks_});
  loads_ = std::make_unique<Loads>(LoadsParts{parts_.pipeline, parts_.tools, *runs_,
                                              parts_.folder / "scratch" / "loads", parts_.aws});
  for (auto& plan : plans.plans) TRY(add_job(std::move(plan)));
  TRY(runs_->end_abandoned([&](const Claim& claim) -> std::optional<std::int64_t> {
    const auto job = find(claim.job);
    if (!job) return std::nullopt;
    return Runner::committed_rows(*(*job)->table, claim);
  }));
  parts_.board.publish();
  for (const auto& job : jobs_) {
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
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      run_due();
      changed.wait_for(lock, stop, parts_.options.poll, [] { return false; });
    }
  });
}

void Jobs::stop() {
  stopping_.request_stop();
  thread_.request_stop();
  // The SQL may begin just after an interrupt, so it takes more than one.
  while (is_running_) {
    runner_->interrupt();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (thread_.joinable()) thread_.join();
  if (loads_) loads_->stop();
}

Result<RunRow> Jobs::run_one(Job& job, const Partition& partition, Trigger trigger) {
  std::lock_guard one_at_a_time(run_mutex_);
  is_running_ = true;
  auto row = stopping_.stop_requested()
                 ? Result<RunRow>(Error{Code::Cancelled, "the program is stopping"})
                 : runner_->run(job.runnable(), partition, trigger, stopping_.get_token());
  is_running_ = false;
  return row;
}

// None: it was fresh.
Result<std::optional<RunRow>> Jobs::run_if_stale(Job& job, const Partition& partition,
                                                 Trigger trigger) {
  if (!TRY(job.freshness->is_stale(partition))) return std::optional<RunRow>();
  return std::optional(TRY(run_one(job, partition, trigger)));
}

Result<std::vector<RunRow>> Jobs::run(std::string_view name,
                                      const std::optional<std::string>& partition) {
  Job& job = *TRY(find(name));
  std::vector<RunRow> rows;
  const auto wanted = TRY(partition_of(job, partition));
  TRY(parts_.stream.take_in());
  if (wanted) {
    rows.push_back(TRY(run_one(job, *wanted, Trigger::Manual)));
    TRY(load_after(job, Trigger::Manual, rows));
    return rows;
  }
  const auto partitions = TRY(job.freshness->partitions(parts_.tools.clock.now()));
  for (const auto& each : partitions) {
    if (auto row = TRY(run_if_stale(job, each, Trigger::Manual))) rows.push_back(std::move(*row));
  }
  TRY(load_after(job, Trigger::Manual, rows));
  return rows;
}

// The partition that is meant; none: all of them.
Result<std::optional<Partition>> Jobs::partition_of(const Job& job,
                                                    const std::optional<std::string>& text) const {
  using Found = std::optional<Partition>;
  const auto each = job.plan.job.each;
  if (!text) return each == Each::None ? Found(Partition{}) : Found();
  if (each != Each::None) return Found(TRY(parse_partition(each, *text, zone_)));
  return Error{Code::Invalid,
               fmt::format("job '{}' has no partitions; run it without one", job.name())};
}

// Whoever ran a job finds it loaded, or told why not.
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

Result<std::vector<RunRow>> Jobs::backfill(std::string_view name, std::string_view from,
                                           std::string_view to, DryRun dry_run) {
  Job& job = *TRY(find(name));
  if (job.plan.job.each == Each::None) {
    return Error{Code::Invalid,
                 fmt::format("job '{}' has no partitions to fill; run it instead", name)};
  }
  const auto partitions = TRY(parse_range(job.plan.job.each, from, to, zone_));
  if (dry_run == DryRun::No) TRY(parts_.stream.take_in());
  std::vector<RunRow> rows;
  for (const auto& partition : partitions) {
    const auto now = parts_.tools.clock.now();
    RunRow untouched{.job = job.name(),
                     .partition = label_of(partition),
                     .started_at = now,
                     .ended_at = now,
                     .trigger = Trigger::Backfill};
    if (!TRY(job.freshness->is_stale(partition))) {
      untouched.status = RunStatus::Skipped;
      untouched.error = "it is fresh: nothing that it reads has changed";
      rows.push_back(std::move(untouched));
    } else if (dry_run == DryRun::Yes) {
      untouched.status = RunStatus::Planned;
      rows.push_back(std::move(untouched));
    } else {
      rows.push_back(TRY(run_one(job, partition, Trigger::Backfill)));
    }
  }
  if (dry_run == DryRun::No) TRY(load_after(job, Trigger::Backfill, rows));
  return rows;
}

Result<std::vector<RunRow>> Jobs::runs(const RunFilter& filter) {
  // Loads are runs of `job@warehouse`.
  if (!filter.job.empty()) (void)TRY(find(filter.job.substr(0, filter.job.find('@'))));
  return runs_->runs(filter);
}

}  // namespace millrace::batch
