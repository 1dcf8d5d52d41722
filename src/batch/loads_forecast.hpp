#pragma once

#include <string>
#include <vector>

#include "batch/forecast.hpp"
#include "batch/warehouse.hpp"

namespace millrace::batch {

/// What a warehouse would get of a job if its pipeline file ran.
struct LoadForecast {
  std::string warehouse;
  std::string table;
  std::vector<Partition> partitions = {};  ///< that would be loaded, oldest first
  TableSteps steps = {};
  std::string refusal = {};  ///< why loads would fail, with the mend; empty: they would not
  std::string unknown = {};  ///< why it could not be asked; then nothing above is known
};

struct LoadForecastParts {
  const config::Pipeline& pipeline;
  const JobPlan& plan;        ///< of a job that has `load`
  const JobForecast& runs;    ///< of the same job
  const lake::Table* output;  ///< its table; null: there is none yet
  const config::TimeZone& zone;
  Warehouse& warehouse;
};

/// Looks at the lake and the warehouse and changes nothing.
LoadForecast foresee_load(const LoadForecastParts& parts);

}  // namespace millrace::batch
