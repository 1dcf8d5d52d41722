#pragma once

#include <vector>

#include "base/result.hpp"
#include "config/read.hpp"

namespace millrace::app {

/// All that is wrong with the SQL of a pipeline: of its tables, which needs its lookups, and of its
/// jobs and reports, which needs its tables. In the order of the file; nothing is left behind.
std::vector<base::Error> check_sql(const config::Pipeline& pipeline);
/// The same of what is sound of a wrong file, together with what is wrong with its form.
std::vector<base::Error> check_sql(const config::Problems& problems);

}  // namespace millrace::app
