#pragma once

#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"

namespace millrace::app {

/// Everything of a pipeline that cannot run on Spark, with its place, as the package
/// `millrace_spark` finds it: the same check as before its own runs.
/// Errors  the package is not installed, or cannot do it: with the mend.
base::Result<std::vector<base::Error>> check_for_spark(const config::Pipeline& pipeline);

}  // namespace millrace::app
