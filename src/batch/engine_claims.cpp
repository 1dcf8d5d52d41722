// How one call of EngineRuns::run has its claims: takes, keeps and gives them back with the rows.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "batch/engine_call.hpp"
#include "batch/events.hpp"
#include "batch/replacement.hpp"
#include "batch/run_keeping.hpp"

namespace millrace::batch {

using base::Result;

namespace {

// Claims, or rows, in one commit.
constexpr std::size_t kCommitMax = 500;
constexpr std::string_view kFresh = "it is fresh: another process ran it";

std::string run_id_of(const std::string& token, const std::string& label) {
  return fmt::format("{}-{}", token, label);
}

}  // namespace

Result<void> EngineRuns::Call::claim(const RunRequest& request) {
  const auto now = parts_.tools.clock.now();
  std::optional<std::map<std::string, std::int64_t>> committed;
  const auto committed_rows = [&](const Claim& claim) -> std::optional<std::int64_t> {
    if (!committed) committed = committed_runs(job_.output);
    const auto found = committed->find(claim.run_id);
    return found == committed->end() ? std::nullopt : std::optional(found->second);
  };
  for (std::size_t at = 0; at < tasks_.size(); at += kCommitMax) {
    const auto end = std::min(at + kCommitMax, tasks_.size());
    std::vector<Claim> wanted;
    for (auto i = at; i < end; ++i) {
      const auto label = label_of(tasks_[i].partition);
      auto& one = wanted.emplace_back();
      one = {.run_id = run_id_of(token_, label),
             .job = job_.plan.job.name,
             .partition = label,
             .trigger = request.trigger,
             .started_at = now};
      if (!engine_.outlives_process()) continue;
      one.engine = engine_.name();
      one.time = engine_.timeout();
    }
    const auto outcomes = TRY(parts_.runs.claim(wanted, committed_rows));
    for (auto i = at; i < end; ++i) {
      auto& task = tasks_[i];
      const auto& one = wanted[i - at];
      task.row = {.run_id = one.run_id,
                  .job = one.job,
                  .partition = one.partition,
                  .started_at = now,
                  .ended_at = now,
                  .trigger = one.trigger};
      const auto* held = std::get_if<Held>(&outcomes[i - at]);
      task.has_claim = held == nullptr;
      task.is_over = held != nullptr;
      if (held == nullptr) {
        task.claim = std::get<Claim>(outcomes[i - at]);
        continue;
      }
      task.row.status = RunStatus::Skipped;
      task.row.error = fmt::format("another process runs it, its claim expires at {}",
                                   base::format_time(held->until));
    }
  }
  return {};
}

// Gives back the claims of partitions that others ran just before.
Result<void> EngineRuns::Call::keep_wanted(const RunRequest& request) {
  if (!request.is_wanted) return {};
  TRY(job_.output.refresh());
  Tasks others;
  for (auto* task : open()) {
    if (TRY(request.is_wanted(task->partition))) continue;
    task->row.status = RunStatus::Skipped;
    task->row.error = kFresh;
    others.push_back(task);
  }
  release(others);
  return {};
}

// Nothing was run.
void EngineRuns::Call::release(const Tasks& tasks) {
  const std::lock_guard lock(claims_mutex_);
  std::vector<RunsTable::Ended> claims;
  for (auto* task : tasks) {
    if (task->has_claim) claims.push_back({task->claim, std::nullopt});
    task->has_claim = false;
    task->is_over = true;
  }
  // Those that cannot be given back now expire.
  (void)parts_.runs.finish(std::move(claims)).has_value();
}

Result<void> EngineRuns::Call::finish() {
  Tasks over;
  for (auto& task : tasks_) {
    if (task.is_over && task.row.status != RunStatus::Skipped) over.push_back(&task);
  }
  Result<void> done;
  for (std::size_t at = 0; at < over.size(); at += kCommitMax) {
    const auto end = std::min(at + kCommitMax, over.size());
    auto finished = finish(Tasks(over.begin() + static_cast<std::ptrdiff_t>(at),
                                 over.begin() + static_cast<std::ptrdiff_t>(end)));
    if (!finished) done = std::move(finished);
  }
  parts_.board.publish();
  return done;
}

// Who took a claim that was lost has written the run's row.
Result<void> EngineRuns::Call::finish(const Tasks& tasks) {
  const auto now = parts_.tools.clock.now();
  for (auto* task : tasks) {
    task->row.ended_at = std::max(now, task->row.started_at);
    events::run_ended(parts_.tools.telemetry, task->row);
  }
  std::vector<JudgedRun> judged;
  for (const auto* task : tasks) judged.push_back({task->row, task->checks});
  keep_checks(parts_.checks, parts_.tools.telemetry, job_.plan.job.name, judged);
  const std::lock_guard lock(claims_mutex_);
  std::vector<RunsTable::Ended> ended;
  for (auto* task : tasks) {
    if (task->has_claim) ended.push_back({task->claim, task->row});
    task->has_claim = false;
  }
  TRY(parts_.runs.finish(std::move(ended)));
  return {};
}

// After an error there is still time until they expire. A run that lost its claim cannot commit
// over who took it: its marks have moved.
void EngineRuns::Call::renew_claims() {
  const std::lock_guard lock(claims_mutex_);
  std::vector<Claim> claims;
  bool is_due = engine_.outlives_process();
  for (const auto& task : tasks_) {
    if (!task.has_claim) continue;
    claims.push_back(task.claim);
    is_due = is_due || parts_.runs.is_due_for_renewal(task.claim);
  }
  if (!is_due || !parts_.runs.renew(claims)) return;
  std::map<std::string, Claim> kept;
  for (auto& claim : claims) kept.emplace(claim.run_id, claim);
  for (auto& task : tasks_) {
    if (!task.has_claim) continue;
    const auto found = kept.find(task.claim.run_id);
    task.has_claim = found != kept.end();
    if (task.has_claim) {
      task.claim = found->second;
    } else {
      events::claim_lost(parts_.tools.telemetry, task.claim.job, task.claim.partition);
    }
  }
}

}  // namespace millrace::batch
