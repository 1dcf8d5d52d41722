// What the threads of one call of Runner::run do: workers compute, the keeper renews claims.

#include "batch/attempts.hpp"
#include "batch/events.hpp"
#include "batch/freshness.hpp"
#include "batch/run_call.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using State = RunTask::State;

}  // namespace

void Runner::Call::work() {
  const auto& clock = parts_.tools.clock;
  std::optional<Computer> computer;
  while (auto* task = group_.take(stopping_)) {
    const auto started = clock.steady_now();
    begin(*task);
    auto computed = compute(computer, *task);
    task->row.duration +=
        std::chrono::duration_cast<std::chrono::microseconds>(clock.steady_now() - started);
    if (!computed) {
      if (is_for_fewer(*task, computed.error())) continue;
      fail(*task, std::move(computed).error());
      continue;
    }
    task->computed = std::move(*computed);
    group_.put(*task, State::Computed);
  }
}

// Several at once share the memory of jobs: what has not enough of it is no failed attempt yet.
bool Runner::Call::is_for_fewer(RunTask& task, const Error& error) {
  if (error.code != Code::Exhausted || stopping_.stop_requested() || !task.has_claim) return false;
  if (!group_.put_back_for_fewer(task)) return false;
  events::run_for_fewer(parts_.tools.telemetry, job_.plan.job.name, label_of(task.partition),
                        error.text());
  return true;
}

void Runner::Call::begin(RunTask& task) {
  if (task.is_begun) return;
  task.is_begun = true;
  task.row.started_at = std::max(task.row.started_at, parts_.tools.clock.now());
  events::run_started(parts_.tools.telemetry, task.row.job, task.row.partition, task.row.trigger);
}

Result<Computed> Runner::Call::compute(std::optional<Computer>& computer, RunTask& task) {
  if (!task.has_claim) return Error{Code::Cancelled, std::string(kTaken)};
  const auto pinned = TRY(pin());
  const auto from = computable_from(job_.plan, pinned->read, *pinned->output);
  if (from && task.partition.start < *from) {
    return Error{Code::Invalid, "rows that it is computed from are no longer kept (`keep`)"};
  }
  if (!computer) computer.emplace(TRY(Computer::open(job_, parts_.tools, parts_.checks)));
  {
    const std::lock_guard lock(computing_mutex_);
    computing_[&task] = &*computer;
  }
  auto computed = computer->compute(pinned, task.partition, task.row, task.checks);
  {
    const std::lock_guard lock(computing_mutex_);
    computing_.erase(&task);
  }
  if (computed || computed.error().code != Code::Cancelled) return computed;
  return Error{Code::Cancelled, std::string(task.has_claim ? kStopped : kTaken)};
}

void Runner::Call::interrupt() {
  const std::lock_guard lock(computing_mutex_);
  for (const auto& [task, computer] : computing_) computer->interrupt();
}

Result<std::shared_ptr<const Pinned>> Runner::Call::pin() {
  const std::lock_guard lock(pin_mutex_);
  if (!pinned_) pinned_ = TRY(Pinned::pin(job_, parts_.board));
  return pinned_;
}

void Runner::Call::drop_pin() {
  const std::lock_guard lock(pin_mutex_);
  pinned_ = nullptr;
}

// Puts it back for another attempt, with growing waits between them, if that may help.
void Runner::Call::fail(RunTask& task, Error error) {
  const auto& tools = parts_.tools;
  task.computed.reset();
  task.recomputes = 0;
  task.row.status = RunStatus::Failed;
  task.row.error = error.text();
  const bool is_last = !may_pass(error) || task.row.attempt >= job_.plan.job.retry.attempts ||
                       stopping_.stop_requested() || !task.has_claim;
  if (is_last) return group_.put(task, State::Failed);
  const auto at = tools.clock.now() + task.pause;
  events::run_retried(tools.telemetry, task.row.job, task.row.partition, task.row.attempt,
                      task.row.error);
  ++task.row.attempt;
  task.pause = std::min(task.pause * 2, kRetryWaitMax);
  drop_pin();
  group_.put(task, State::Ready, at);
}

// After an error there is still time until they expire.
void Runner::Call::renew_claims() {
  const std::lock_guard lock(claims_mutex_);
  std::vector<Claim> claims;
  bool is_due = false;
  for (const auto& task : group_.tasks()) {
    if (!task.has_claim) continue;
    claims.push_back(task.claim);
    is_due = is_due || parts_.runs.is_due_for_renewal(task.claim);
  }
  if (!is_due || !parts_.runs.renew(claims)) return;
  std::map<std::string, Claim> kept;
  for (auto& claim : claims) kept.emplace(claim.run_id, claim);
  for (auto& task : group_.tasks()) {
    if (!task.has_claim) continue;
    const auto found = kept.find(task.claim.run_id);
    if (found != kept.end()) {
      task.claim = found->second;
      continue;
    }
    task.has_claim = false;
    events::claim_lost(parts_.tools.telemetry, task.claim.job, task.claim.partition);
    const std::lock_guard computing(computing_mutex_);
    const auto computer = computing_.find(&task);
    if (computer != computing_.end()) computer->second->interrupt();
  }
}

}  // namespace millrace::batch
