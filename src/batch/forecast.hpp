#pragma once

#include <map>
#include <string>
#include <vector>

#include "batch/partition.hpp"
#include "batch/plan.hpp"
#include "lake/table.hpp"

namespace millrace::batch {

/// What a job would do if its pipeline file ran on the tables as they are.
struct JobForecast {
  std::string job;
  bool is_new = false;              ///< it has no table yet
  lake::SchemaChange columns = {};  ///< of its table
  /// Partitions that ran and would be computed anew because of the change: its SQL is another one,
  /// or it reads a job of which that holds. Oldest first.
  std::vector<Partition> anew = {};
  std::vector<Partition> waiting = {};  ///< those that are stale or were never run, for all that
  std::int64_t bytes = 0;               ///< of the files that computing `anew` and `waiting` reads
};

struct ForecastParts {
  const config::Pipeline& pipeline;
  const std::vector<JobPlan>& plans;  ///< each after those that it reads
  os::Path tables;                    ///< the folder of all tables
  lake::Tools tools;
};

/// Looks at the lake and changes nothing. In the order of the plans.
/// Errors  what keeps a table from being read.
base::Result<std::vector<JobForecast>> foresee(const ForecastParts& parts);

}  // namespace millrace::batch
