#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "lake/schema.hpp"

namespace millrace::batch {

/// What made a run begin.
enum class Trigger : std::uint8_t { Schedule, Manual, Backfill };
std::string_view name_of(Trigger trigger);

enum class RunStatus : std::uint8_t {
  Succeeded,
  Failed,
  Skipped,  ///< nothing was done: the partition is fresh, or somebody else runs it
  Planned,  ///< what a backfill would run
};
std::string_view name_of(RunStatus status);

/// A run: of one partition of a job, with all of its attempts. Those that ended are the rows of the
/// table `_runs`.
struct RunRow {
  std::string run_id;
  std::string job;
  std::string partition;
  RunStatus status = RunStatus::Failed;
  int attempt = 1;        ///< the last one, from 1
  std::int64_t rows = 0;  ///< of the partition, if it succeeded
  base::Time started_at;
  base::Time ended_at;
  std::chrono::microseconds duration{0};
  std::string error;  ///< why it failed or was skipped; else empty
  Trigger trigger = Trigger::Schedule;
};

/// The columns of the table `_runs`.
const lake::Schema& run_columns();

/// `rows`, at least one, as the SELECT that gives them.
std::string select_of(const std::vector<RunRow>& rows);

}  // namespace millrace::batch
