#include "batch/run_call.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "batch/attempts.hpp"
#include "batch/run_keeping.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using State = RunTask::State;

constexpr std::string_view kFresh = "it is fresh: another process ran it";

// Where runs build on each other, each is over before the next is begun.
RunGroup::Options options_of(const JobPlan& plan, std::size_t threads) {
  if (!plan.is_in_order) return {.computing_max = threads};
  return {.claims_max = 1, .open_max = 1, .ready_min = 1, .commit_tasks = 1};
}

}  // namespace

Runner::Call::Call(const RunnerParts& parts, const RunRequest& request,
                   const std::stop_token& stopping)
    : parts_(parts),
      request_(request),
      job_(request.job),
      stopping_(stopping),
      group_(request.partitions, options_of(request.job.plan, parts.threads), parts.tools.clock) {}

Result<std::vector<RunRow>> Runner::Call::run() {
  {
    std::jthread keeper(
        [this](const std::stop_token& stop) { keep_claims(stop, [this] { renew_claims(); }); });
    std::vector<std::jthread> workers;
    const auto count =
        job_.plan.is_in_order ? 1 : std::min(parts_.threads, request_.partitions.size());
    for (std::size_t i = 0; i < count; ++i) workers.emplace_back([this] { work(); });
    if (auto done = coordinate(); !done) error_ = std::move(done).error();
    group_.end();
  }
  give_up_rest();
  if (error_) return std::move(*error_);
  std::vector<RunRow> rows;
  for (auto& task : group_.tasks()) {
    if (!task.row.run_id.empty()) rows.push_back(std::move(task.row));
  }
  return rows;
}

// An error that keeps it from claiming more is told when what was claimed is over.
Result<void> Runner::Call::coordinate() {
  Result<void> done;
  for (;;) {
    const auto step = group_.next_step(stopping_);
    if (step.is_over) return done;
    if (!step.to_claim.empty()) {
      auto claimed = claim(step.to_claim);
      if (!claimed) {
        forget(step.to_claim);
        group_.close();
        done = std::move(claimed);
      }
    }
    if (!step.to_end.empty()) end(step.to_end);
  }
}

Result<void> Runner::Call::claim(const Tasks& tasks) {
  const auto& tools = parts_.tools;
  const auto now = tools.clock.now();
  std::vector<Claim> wanted;
  for (const auto* task : tasks) {
    wanted.push_back({.run_id = new_run_id(now, tools.random),
                      .job = job_.plan.job.name,
                      .partition = label_of(task->partition),
                      .trigger = request_.trigger,
                      .started_at = now});
  }
  std::optional<std::map<std::string, std::int64_t>> committed;
  const auto committed_rows = [&](const Claim& claim) -> std::optional<std::int64_t> {
    if (!committed) committed = committed_runs(job_.output);
    const auto found = committed->find(claim.run_id);
    return found == committed->end() ? std::nullopt : std::optional(found->second);
  };
  Tasks claimed;
  {
    const std::lock_guard lock(claims_mutex_);
    const auto outcomes = TRY(parts_.runs.claim(wanted, committed_rows));
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      auto& task = *tasks[i];
      task.row = {.run_id = wanted[i].run_id,
                  .job = wanted[i].job,
                  .partition = wanted[i].partition,
                  .started_at = now,
                  .ended_at = now,
                  .trigger = request_.trigger};
      task.pause = job_.plan.job.retry.first_wait;
      if (const auto* held = std::get_if<Held>(&outcomes[i])) {
        task.row.status = RunStatus::Skipped;
        task.row.error = fmt::format("another process runs it, its claim expires at {}",
                                     base::format_time(held->until));
        group_.put(task, State::Over);
        continue;
      }
      task.claim = std::get<Claim>(outcomes[i]);
      task.has_claim = true;
      claimed.push_back(&task);
    }
  }
  // What is read from now on is no older than the claims.
  drop_pin();
  const auto rest = TRY(keep_wanted(claimed));
  for (auto* task : rest) group_.put(*task, State::Ready);
  return {};
}

// Gives back the claims of partitions that others ran just before.
Result<Runner::Call::Tasks> Runner::Call::keep_wanted(const Tasks& claimed) {
  if (!request_.is_wanted) return claimed;
  TRY(job_.output.refresh());
  Tasks wanted, others;
  for (auto* task : claimed) {
    const bool is_wanted = TRY(request_.is_wanted(task->partition));
    (is_wanted ? wanted : others).push_back(task);
  }
  release(others);
  for (auto* task : others) {
    task->row.status = RunStatus::Skipped;
    task->row.error = kFresh;
    group_.put(*task, State::Over);
  }
  return wanted;
}

// Those whose claims could not be dealt with: nothing was run.
void Runner::Call::forget(const Tasks& tasks) {
  for (auto* task : tasks) {
    if (task->has_claim) task->row.run_id.clear();
  }
  release(tasks);
  for (auto* task : tasks) group_.put(*task, State::Over);
}

void Runner::Call::release(const Tasks& tasks) {
  const std::lock_guard lock(claims_mutex_);
  std::vector<RunsTable::Ended> claims;
  for (auto* task : tasks) {
    if (task->has_claim) claims.push_back({task->claim, std::nullopt});
    task->has_claim = false;
  }
  // Those that cannot be given back now expire.
  (void)parts_.runs.finish(std::move(claims)).has_value();
}

// What a stop, or an error of the coordinator, left: a run that was begun has failed, others never
// were.
void Runner::Call::give_up_rest() {
  Tasks begun, others;
  for (auto* task : group_.all_ready()) {
    if (task->row.error.empty()) {
      task->row.run_id.clear();
      others.push_back(task);
    } else {
      --task->row.attempt;  // the next one will not be
      begun.push_back(task);
    }
  }
  if (!begun.empty()) finish(begun);
  if (!others.empty()) release(others);
}

}  // namespace millrace::batch
