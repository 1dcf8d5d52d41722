#include "app/lambda_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "serve/run_json.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

namespace {

// Records that wait in a shard without traffic are known to be none after a minute.
constexpr auto kForTheWatermark = 75s;
constexpr auto kPause = 1s;
// What ending the jobs and writing down what they did may take.
constexpr auto kForTheEnd = 5s;

/// Ends the instance's jobs when the deadline is near.
class Watchdog {
 public:
  Watchdog(Instance& instance, base::SteadyTime until)
      : thread_([this, &instance, until](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          changed_.wait_until(lock, stop, until, [] { return false; });
          if (!stop.stop_requested()) instance.stop_batch();
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

}  // namespace

Result<std::string> LambdaBatch::run(const std::string& command, base::SteadyTime until) {
  if (command != "jobs" && command != "maintain") {
    return Error{Code::Invalid,
                 fmt::format("{{\"millrace\": \"{}\"}}: what can be asked for is `jobs` and "
                             "`maintain`",
                             base::printable(command))};
  }
  auto instance = TRY(Instance::open(pipeline_,
                                     {.data = options_.data,
                                      .memory = memory_plan(options_.memory),
                                      .reads_streams = false,
                                      .is_handed_in = true,
                                      .lake_cache_bytes = 0},
                                     world_));
  instance->start([](const Error& /*error*/) {});
  std::vector<batch::RunRow> rows;
  {
    const Watchdog watchdog(*instance, until - kForTheEnd);
    rows = TRY(command == "jobs" ? run_jobs(*instance, until - kForTheEnd) : instance->maintain());
  }
  TRY(instance->stop());
  for (const auto& row : rows) {
    if (row.status != batch::RunStatus::Failed) continue;
    return Error{Code::Unavailable,
                 fmt::format("{} {} failed: {}", row.job, row.partition, row.error)};
  }
  return serve::runs_answer(rows).body;
}

// A partition whose time has come may still wait for records on their way.
Result<std::vector<batch::RunRow>> LambdaBatch::run_jobs(Instance& instance,
                                                         base::SteadyTime until) {
  const auto begun = world_.clock.now();
  TRY(instance.send_alerts(
      std::chrono::floor<std::chrono::microseconds>(until - world_.clock.steady_now())));
  const auto enough = std::min(until, world_.clock.steady_now() + kForTheWatermark);
  for (;;) {
    if (!TRY(instance.run_due())) break;
    if (world_.clock.steady_now() + kPause >= enough) break;
    std::this_thread::sleep_for(kPause);
  }
  return instance.runs_since(begun);
}

}  // namespace millrace::app
