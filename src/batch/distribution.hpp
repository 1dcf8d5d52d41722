#pragma once

#include "batch/plan.hpp"

namespace millrace::batch {

/// Whether the column by which a job's rows are divided on Spark is one of what it reads or gives.
/// Whether its SQL may be divided so, the package `millrace_spark` says.
/// Errors  Invalid, with the place in the file.
base::Result<void> check_distribute_by(const JobPlan& plan, const TableSchemas& schemas);

}  // namespace millrace::batch
