#pragma once

#include <string>

#include "app/instance.hpp"
#include "app/world.hpp"
#include "config/pipeline.hpp"

namespace millrace::app {

struct LambdaBatchOptions {
  os::Path data;             ///< a folder of its own
  std::uint64_t memory = 0;  ///< of the whole function
};

/// The batch half as a function of Lambda that a schedule invokes: `jobs` runs what is due and
/// loads it, and sends the alerts of rows that were committed meanwhile; `maintain` puts all tables
/// in order. One at a time may run: the template allows no second one. Threads: one at a time.
class LambdaBatch {
 public:
  /// Both must outlive it.
  LambdaBatch(const config::Pipeline& pipeline, LambdaBatchOptions options, World& world)
      : pipeline_(pipeline), options_(std::move(options)), world_(world) {}

  /// What was done, as JSON: `{"runs":[{"job":"daily_sales","partition":"2026-11-20",…}]}`
  /// Errors  Invalid: no such command. Unavailable: a run failed, with the first one's reason.
  base::Result<std::string> run(const std::string& command, base::SteadyTime until);

 private:
  base::Result<std::vector<batch::RunRow>> run_jobs(Instance& instance, base::SteadyTime until);

  const config::Pipeline& pipeline_;
  const LambdaBatchOptions options_;
  World& world_;
};

}  // namespace millrace::app
