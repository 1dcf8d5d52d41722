#pragma once

#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"

namespace millrace::app {

/// All that is wrong with the SQL of a pipeline: of its tables, which needs its lookups, and of its
/// jobs and reports, which needs its tables. In the order of the file; nothing is left behind.
std::vector<base::Error> check_sql(const config::Pipeline& pipeline);

}  // namespace millrace::app
