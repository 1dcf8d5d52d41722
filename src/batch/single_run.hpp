#pragma once

#include <functional>
#include <string>

#include "batch/runs_table.hpp"
#include "lake/table.hpp"

namespace millrace::batch {

/// A run that is one piece of work, not a job's SQL: a load, a proof, a table's maintenance.
struct SingleRun {
  std::string job;  ///< as `_runs` names it
  std::string partition;
  Trigger trigger = Trigger::Manual;
  std::string_view held;  ///< what another process does that has the claim: `loads it`
  /// Does it, and sets the row's status, rows, error and attempt. It may renew the claim.
  std::function<void(RunRow&, Claim&)> work;
  /// Told when it is over, before the row is written.
  std::function<void(const RunRow&)> ended;
};

/// Takes the claim, does the work and writes the run's row. If somebody else has the claim, nothing
/// is done and the row, which is not written, says so.
/// Errors  the claim, or the row, could not be written.
base::Result<RunRow> run_single(RunsTable& runs, const SingleRun& single);

}  // namespace millrace::batch
