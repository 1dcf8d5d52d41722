#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/data_folder.hpp"
#include "app/pipeline_file.hpp"
#include "app/world.hpp"
#include "batch/forecast.hpp"
#include "batch/loads_forecast.hpp"

namespace millrace::app {

/// What running a pipeline file on a data folder would change about one thing that it names.
struct PipelineChange {
  enum class Kind : std::uint8_t { Added, Changed, Removed };
  /// Rows that are in the lake.
  struct Stored {
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
  };

  Kind kind = Kind::Changed;
  std::string what;                         ///< `table`, or a key that stands for itself
  std::string name;                         ///< empty of such a key
  std::vector<std::string> keys;            ///< which were changed in the file
  std::vector<sql::Column> columns;         ///< that the table gets
  std::optional<Stored> stored;             ///< of a table that is there
  std::optional<batch::JobForecast> runs;   ///< of a job
  std::optional<batch::LoadForecast> load;  ///< of a job that has `load`
  std::optional<Stored> unkept;             ///< what `keep` lets go, if it was changed
  std::vector<std::string> refusals;        ///< why it cannot be applied, with the mend
};

/// Compares with the file that last ran (`before`; none: nothing ever did) and with the tables as
/// they are; of jobs that change, or whose warehouse does, the warehouse is asked. Changes nothing;
/// may be asked while an instance runs.
/// Errors  what keeps the lake from being read.
base::Result<std::vector<PipelineChange>> changes_of(const PipelineFile& file,
                                                     const std::optional<PipelineRecord>& before,
                                                     const os::Path& data, World& world);

}  // namespace millrace::app
