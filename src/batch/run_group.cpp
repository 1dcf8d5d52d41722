#include "batch/run_group.hpp"

#include <algorithm>

namespace millrace::batch {
namespace {

using State = RunTask::State;
using namespace std::chrono_literals;

// How often the clock is looked at, which in a test is not the real one.
constexpr auto kLook = 50ms;

}  // namespace

RunGroup::RunGroup(const std::vector<Partition>& partitions, const Options& options,
                   const base::Clock& clock)
    : options_(options), clock_(clock), computing_max_(options.computing_max) {
  for (const auto& partition : partitions) tasks_.emplace_back().partition = partition;
}

RunGroup::Counts RunGroup::count() {
  while (first_open_ < claimed_ && tasks_[first_open_].state == State::Over) ++first_open_;
  const auto now = clock_.now();
  Counts counts{.unclaimed = is_closed_ ? 0 : tasks_.size() - claimed_};
  for (auto at = first_open_; at < claimed_; ++at) {
    const auto& task = tasks_[at];
    if (task.state == State::Over) continue;
    ++counts.open;
    counts.computing += task.state == State::Computing ? 1 : 0;
    counts.to_end += task.state == State::Computed || task.state == State::Failed ? 1 : 0;
    counts.ready += task.state == State::Ready && task.not_before <= now ? 1 : 0;
  }
  return counts;
}

RunGroup::Step RunGroup::next_step(const std::stop_token& stopping) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stopping.stop_requested()) is_closed_ = true;
    auto counts = count();
    if (stopping.stop_requested()) counts.ready = 0, counts.open = counts.computing + counts.to_end;
    Step step;
    if (counts.open == 0 && counts.unclaimed == 0) {
      step.is_over = true;
      return step;
    }
    if (counts.ready < options_.ready_min && counts.open < options_.open_max) {
      const auto room = std::min(options_.claims_max, options_.open_max - counts.open);
      const auto last = claimed_ + std::min(room, counts.unclaimed);
      for (; claimed_ < last; ++claimed_) step.to_claim.push_back(&tasks_[claimed_]);
    }
    // What is to be claimed keeps the workers busy meanwhile.
    const bool is_idle = step.to_claim.empty() && counts.computing == 0 && counts.ready == 0;
    if (counts.to_end > 0 && (is_idle || is_commit_due(counts.to_end))) {
      step.to_end = take_to_end();
    }
    if (!step.to_claim.empty() || !step.to_end.empty()) return step;
    changed_.wait_for(lock, kLook);
  }
}

bool RunGroup::is_commit_due(std::size_t to_end) const {
  if (to_end >= options_.commit_tasks) return true;
  return waits_since_ && clock_.steady_now() - *waits_since_ >= options_.commit_time;
}

std::vector<RunTask*> RunGroup::take_to_end() {
  std::vector<RunTask*> found;
  for (auto at = first_open_; at < claimed_; ++at) {
    auto& task = tasks_[at];
    if (task.state == State::Computed || task.state == State::Failed) found.push_back(&task);
  }
  waits_since_.reset();
  return found;
}

RunTask* RunGroup::take(const std::stop_token& stopping) {
  std::unique_lock lock(mutex_);
  while (!is_over_ && !stopping.stop_requested()) {
    const auto now = clock_.now();
    const bool is_full = count().computing >= computing_max_;
    for (auto at = first_open_; at < claimed_ && !is_full; ++at) {
      auto& task = tasks_[at];
      if (task.state != State::Ready || task.not_before > now) continue;
      task.state = State::Computing;
      task.beside = computing_max_;
      return &task;
    }
    changed_.wait_for(lock, kLook);
  }
  return nullptr;
}

bool RunGroup::put_back_for_fewer(RunTask& task) {
  const std::lock_guard lock(mutex_);
  if (task.beside == 1) return false;
  // Those that were computed beside it may fail too: that is one and the same reason.
  if (task.beside == computing_max_) computing_max_ /= 2;
  task.state = State::Ready;
  changed_.notify_all();
  return true;
}

void RunGroup::put(RunTask& task, State state, base::Time not_before) {
  const std::lock_guard lock(mutex_);
  task.state = state;
  task.not_before = not_before;
  const bool is_to_end = state == State::Computed || state == State::Failed;
  if (is_to_end && !waits_since_) waits_since_ = clock_.steady_now();
  changed_.notify_all();
}

std::vector<RunTask*> RunGroup::all_ready() {
  const std::lock_guard lock(mutex_);
  std::vector<RunTask*> found;
  for (auto& task : tasks_) {
    if (task.state == State::Ready) found.push_back(&task);
  }
  return found;
}

void RunGroup::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  changed_.notify_all();
}

void RunGroup::end() {
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
}

}  // namespace millrace::batch
