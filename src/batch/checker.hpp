#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "batch/checks_table.hpp"
#include "batch/partition.hpp"
#include "batch/plan.hpp"
#include "sql/connection.hpp"

namespace millrace::batch {

/// A new partition that is to be judged: the connection shows all tables that the job's SQL and
/// expectations name, with the new partition in the job's own, and the partition alone as `result`.
struct NewPartition {
  const JobPlan& plan;
  const Partition& partition;
  std::string result;  ///< a table's name
  CheckedRun run;
};

/// Judges a new partition by the job's `expect`.
/// Shape   one result for each, in the order of the file.
/// Errors  what kept an expectation from being judged: Invalid with its place.
base::Result<std::vector<CheckResult>> check(const NewPartition& fresh, sql::Connection& connection,
                                             ChecksTable& history);

}  // namespace millrace::batch
