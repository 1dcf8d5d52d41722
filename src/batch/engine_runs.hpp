#pragma once

#include <stop_token>
#include <vector>

#include "batch/engine.hpp"
#include "batch/runner.hpp"
#include "batch/secrets.hpp"

namespace millrace::batch {

/// Runs partitions of a job on an engine: claims them, gives the order, waits for its end, finds
/// out what was committed, and writes the runs' rows. All of one call are one run of the engine.
/// Threads: safe from any, for one job one at a time.
class EngineRuns {
 public:
  /// What engines tell of failures is written down without `secrets`.
  EngineRuns(const RunnerParts& parts, os::Path tables, Secrets secrets)
      : parts_(parts), tables_(std::move(tables)), secrets_(std::move(secrets)) {}

  /// As `Runner::run`. After a stop, an engine that outlives us goes on: there are no rows of what
  /// it runs, and its claims stay until `adopt`.
  base::Result<std::vector<RunRow>> run(const RunRequest& request, Engine& engine,
                                        const std::stop_token& stopping);
  /// Waits for what an earlier process started and left, and writes its rows. Shape  the rows.
  base::Result<std::vector<RunRow>> adopt(const RunnableJob& job, Engine& engine,
                                          const std::stop_token& stopping);

 private:
  class Call;

  const RunnerParts parts_;
  const os::Path tables_;
  const Secrets secrets_;
};

}  // namespace millrace::batch
