#include "batch/engine_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>

#include "batch/attempts.hpp"
#include "batch/engine_call.hpp"
#include "batch/engine_told.hpp"
#include "batch/events.hpp"
#include "batch/replacement.hpp"
#include "batch/run_call.hpp"
#include "batch/run_keeping.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

Result<std::vector<RunRow>> EngineRuns::run(const RunRequest& request, Engine& engine,
                                            const std::stop_token& stopping) {
  if (request.partitions.empty()) return std::vector<RunRow>();
  return Call(*this, request.job, engine, stopping).run(request);
}

Result<std::vector<RunRow>> EngineRuns::adopt(const RunnableJob& job, Engine& engine,
                                              const std::stop_token& stopping) {
  std::map<std::string, std::vector<Claim>> orders;  // by token
  for (auto& claim : TRY(parts_.runs.claims_of(job.plan.job.name, engine.name()))) {
    const auto size =
        claim.run_id.size() - std::min(claim.run_id.size(), claim.partition.size() + 1);
    orders[claim.run_id.substr(0, size)].push_back(std::move(claim));
  }
  std::vector<RunRow> rows;
  for (auto& [token, claims] : orders) {
    auto more = TRY(Call(*this, job, engine, stopping).adopt(token, std::move(claims)));
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

Result<std::vector<RunRow>> EngineRuns::Call::run(const RunRequest& request) {
  token_ = new_run_id(parts_.tools.clock.now(), parts_.tools.random);
  for (const auto& partition : request.partitions) {
    tasks_.emplace_back().partition = partition;
  }
  auto claimed = claim(request);
  if (claimed) claimed = keep_wanted(request);
  if (!claimed) {
    release(open());
    return claimed.error();
  }
  if (!open().empty()) {
    std::jthread keeper;
    if (!engine_.outlives_process()) {
      keeper = std::jthread(
          [this](const std::stop_token& stop) { keep_claims(stop, [this] { renew_claims(); }); });
    }
    compute(job_.marks.zone());
  }
  TRY(finish());
  std::vector<RunRow> rows;
  for (auto& task : tasks_) {
    if (task.is_over) rows.push_back(std::move(task.row));
  }
  return rows;
}

Result<std::vector<RunRow>> EngineRuns::Call::adopt(const std::string& token,
                                                    std::vector<Claim> claims) {
  token_ = token;
  for (auto& claim : claims) {
    auto& task = tasks_.emplace_back();
    task.row = {.run_id = claim.run_id,
                .job = claim.job,
                .partition = claim.partition,
                .started_at = claim.started_at,
                .ended_at = claim.started_at,
                .trigger = claim.trigger};
    task.claim = std::move(claim);
    task.has_claim = true;
  }
  const auto done = engine_.follow(token, stop_);
  if (!done && done.error().code == Code::Cancelled) return std::vector<RunRow>();
  const auto took = parts_.tools.clock.now() - tasks_.front().row.started_at;
  fail_open(settle(done, std::max<std::chrono::microseconds>(took, 0us)).text());
  TRY(finish());
  std::vector<RunRow> rows;
  for (auto& task : tasks_) rows.push_back(std::move(task.row));
  return rows;
}

void EngineRuns::Call::compute(const config::TimeZone& zone) {
  const auto& tools = parts_.tools;
  for (auto* task : open()) {
    events::run_started(tools.telemetry, task->row.job, task->row.partition, task->row.trigger);
  }
  auto pause = job_.plan.job.retry.first_wait;
  for (int attempt = 1;; ++attempt) {
    std::vector<Partition> partitions;
    for (auto* task : open()) {
      task->row.attempt = attempt;
      partitions.push_back(task->partition);
    }
    const EngineOrder order{.token = token_,
                            .attempt = attempt,
                            .job = job_.plan.job.name,
                            .partitions = ranges_of(partitions, zone),
                            .fingerprint = job_.plan.fingerprint};
    const auto started = tools.clock.steady_now();
    const auto done = engine_.run(order, stop_);
    const bool is_stopped = !done && done.error().code == Code::Cancelled;
    goes_on_ = is_stopped && engine_.outlives_process();
    if (goes_on_) return;
    const auto took = tools.clock.steady_now() - started;
    const auto error = settle(done, std::chrono::duration_cast<std::chrono::microseconds>(took));
    if (open().empty()) return;
    if (!attempt_again(error, attempt, pause)) {
      return fail_open(is_stopped ? std::string(kStopped) : error.text());
    }
    if (engine_.outlives_process()) renew_claims();
    pause = std::min(pause * 2, kRetryWaitMax);
  }
}

bool EngineRuns::Call::attempt_again(const Error& error, int attempt,
                                     std::chrono::microseconds pause) {
  if (!may_pass(error) || attempt >= job_.plan.job.retry.attempts || stop_.stop_requested()) {
    return false;
  }
  for (const auto* task : open()) {
    events::run_retried(parts_.tools.telemetry, task->row.job, task->row.partition, attempt,
                        error.text());
  }
  return wait(parts_.tools.clock, pause, stop_);
}

// Finds out which runs committed, by the job's table alone, and why others did not, as the engine
// told. What is left open is to be tried again, or has failed because of the error that it returns.
Error EngineRuns::Call::settle(const Result<void>& done, std::chrono::microseconds took) {
  const auto refreshed = job_.output.refresh();
  if (!refreshed) return refreshed.error();
  const auto committed = committed_runs(job_.output);
  const auto told = take_told(parts_.tools, tables_, token_, secrets_);
  for (auto* task : open()) {
    auto& row = task->row;
    row.duration += took;
    EngineTold::Run run;
    if (told && told->runs.contains(row.run_id)) {
      run = told->runs.at(row.run_id);
      row.duration = run.duration;
      row.attempt += run.attempts - 1;
      task->checks = run.checks;
    }
    const auto rows = committed.find(row.run_id);
    const bool is_committed = rows != committed.end();
    task->is_over = is_committed || (!run.is_good && !run.error.empty());
    row.status = is_committed ? RunStatus::Succeeded : RunStatus::Failed;
    row.rows = is_committed ? rows->second : 0;
    row.error = is_committed ? "" : run.error;
  }
  if (!told) return told.error();
  if (!told->error.empty()) return {Code::Invalid, told->error};
  if (!done) return {done.error().code, secrets_.hidden_in(done.error().text())};
  return {Code::Unavailable,
          fmt::format("{} ended well, but did not run this partition", engine_.name())};
}

void EngineRuns::Call::fail_open(const std::string& why) {
  for (auto* task : open()) {
    task->row.status = RunStatus::Failed;
    task->row.error = why;
    task->is_over = true;
  }
}

std::string EngineOrder::id() const {
  return attempt == 1 ? token : fmt::format("{}/{}", token, attempt);
}

std::string ranges_of(const std::vector<Partition>& partitions, const config::TimeZone& zone) {
  std::string text;
  for (std::size_t first = 0; first < partitions.size();) {
    if (partitions[first].each == config::Each::None) return label_of(partitions[first]);
    auto last = first;
    while (last + 1 < partitions.size() &&
           partitions[last + 1] == next_partition(partitions[last], zone)) {
      ++last;
    }
    text += (text.empty() ? "" : ",") + label_of(partitions[first]);
    if (last > first) text += ".." + label_of(partitions[last]);
    first = last + 1;
  }
  return text;
}

}  // namespace millrace::batch
