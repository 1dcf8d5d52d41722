// How one call of Runner::run ends its tasks: partitions are replaced, rows written.
#include <fmt/format.h>

#include <set>

#include "batch/events.hpp"
#include "batch/run_call.hpp"
#include "batch/run_keeping.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using State = RunTask::State;

constexpr int kRecomputesMax = 10;

}  // namespace

void Runner::Call::end(const Tasks& tasks) {
  Tasks computed, over;
  for (auto* task : tasks) (task->computed ? computed : over).push_back(task);
  const auto replaced = replace(computed);
  over.insert(over.end(), replaced.begin(), replaced.end());
  if (!over.empty()) finish(over);
}

// Returns those whose partitions were replaced. The others are to be computed once more, or failed.
Runner::Call::Tasks Runner::Call::replace(const Tasks& computed) {
  Tasks done;
  if (computed.empty()) return done;
  const std::lock_guard lock(claims_mutex_);
  const auto held = keep_held(computed);
  std::vector<Replacement> replacements;
  for (const auto* task : held) {
    replacements.push_back({task->partition, *task->computed, task->row.run_id});
  }
  replace_partitions(job_, replacements);
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (settle(*held[i], replacements[i])) done.push_back(held[i]);
  }
  return done;
}

// The others fail.
Runner::Call::Tasks Runner::Call::keep_held(const Tasks& tasks) {
  std::vector<Claim> claims;
  for (const auto* task : tasks) {
    if (task->has_claim) claims.push_back(task->claim);
  }
  const auto asked = parts_.runs.keep_held(claims);
  std::set<std::string> run_ids;
  for (const auto& claim : claims) run_ids.insert(claim.run_id);
  Tasks held;
  for (auto* task : tasks) {
    if (asked && run_ids.contains(task->row.run_id)) {
      held.push_back(task);
      continue;
    }
    if (asked) task->has_claim = false;
    if (task->computed->file) job_.output.discard_file(task->computed->file->path);
    fail(*task, asked ? Error{Code::Cancelled, std::string(kTaken)} : asked.error());
  }
  return held;
}

// True if its partition was replaced.
bool Runner::Call::settle(RunTask& task, Replacement& replacement) {
  if (const auto* done = std::get_if<Replacement::Done>(&replacement.outcome)) {
    task.row.status = RunStatus::Succeeded;
    task.row.rows = done->rows;
    task.row.error.clear();
    return true;
  }
  if (auto* error = std::get_if<Error>(&replacement.outcome)) {
    fail(task, std::move(*error));
  } else if (stopping_.stop_requested()) {
    fail(task, {Code::Cancelled, std::string(kStopped)});
  } else if (++task.recomputes >= kRecomputesMax) {
    fail(task, {Code::Unavailable,
                fmt::format("others changed the partition during the run, {} times in a row",
                            kRecomputesMax)});
  } else {
    events::run_recomputed(parts_.tools.telemetry, task.row.job, task.row.partition,
                           std::get<lake::Conflict>(replacement.outcome).detail);
    task.computed.reset();
    drop_pin();
    group_.put(task, State::Ready);
  }
  return false;
}

// Who took a lost claim has written the run's row. Rows that cannot be written now are written when
// their claims have expired.
void Runner::Call::finish(const Tasks& tasks) {
  const auto now = parts_.tools.clock.now();
  bool has_failed = false;
  for (auto* task : tasks) {
    task->row.ended_at = std::max(now, task->row.started_at);
    has_failed = has_failed || task->row.status == RunStatus::Failed;
    events::run_ended(parts_.tools.telemetry, task->row);
  }
  std::vector<JudgedRun> judged;
  for (const auto* task : tasks) judged.push_back({task->row, task->checks});
  keep_checks(parts_.checks, parts_.tools.telemetry, job_.plan.job.name, judged);
  {
    const std::lock_guard lock(claims_mutex_);
    std::vector<RunsTable::Ended> ended;
    for (auto* task : tasks) {
      if (task->has_claim) ended.push_back({task->claim, task->row});
      task->has_claim = false;
    }
    const auto finished = parts_.runs.finish(std::move(ended));
    if (!finished && has_failed && !error_) error_ = finished.error();
  }
  parts_.board.publish();
  for (auto* task : tasks) group_.put(*task, State::Over);
}

}  // namespace millrace::batch
