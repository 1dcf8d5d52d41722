#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "config/read.hpp"
#include "lake/schema.hpp"
#include "sql/instance.hpp"

namespace millrace::batch {

/// A table that a job reads, and how a change of it makes partitions of the job stale.
struct JobInput {
  enum class By : std::uint8_t {
    Partition,  ///< a file belongs to the partition of the same value
    Time,       ///< a file belongs to the partitions that its rows' `time_column` lies in
    Nothing,    ///< nothing tells which partitions a file belongs to
  };

  std::string table;
  By by = By::Nothing;
  std::string time_column;
  bool is_wide = false;  ///< any change makes every partition stale (`reads:`)
  bool is_job = false;
  /// By::Partition, and all SQL of the job certainly reads no rows but those of its partition: only
  /// the files of the partition are shown to it.
  bool is_within = false;
};

/// A job that was checked and can run.
struct JobPlan {
  config::Job job;
  std::vector<JobInput> inputs;
  lake::Schema schema;  ///< of its table, the partition column first
  std::string select;   ///< gives the table's columns; `$day` or `$hour` stands in it
  std::vector<std::pair<std::string, std::string>> reconcile;  ///< both sides, ready for brackets
  std::vector<std::string> views;  ///< all tables that its SQL names, its own left out
  /// A partition is judged by what runs of others left, in the job's table or in `_checks`: they
  /// run one after the other, oldest first.
  bool is_in_order = false;
  std::uint32_t fingerprint = 0;  ///< of all that its result depends on beside its inputs
};

/// Columns of tables, by name.
using TableSchemas = std::map<std::string, lake::Schema>;

struct JobPlans {
  std::vector<JobPlan> plans;       ///< each after those that it reads
  std::vector<base::Error> errors;  ///< all that are wrong, with their places in the pipeline file
  TableSchemas schemas;             ///< of all tables, those of jobs included
  config::Gaps gaps;                ///< also the jobs of which no columns are known
};

/// Checks all jobs and puts them in order. `tables` are the pipeline's tables; jobs that read one
/// of `gaps` are left out.
JobPlans plan_jobs(const config::Pipeline& pipeline, const TableSchemas& tables,
                   sql::Instance& engine, const config::Gaps& gaps = {});

/// Everything that is wrong with the SQL of jobs, their reconcile pairs and reports. Of what builds
/// on `gaps`, or on a job that is wrong, nothing is said.
std::vector<base::Error> check_jobs(const config::Pipeline& pipeline, const TableSchemas& tables,
                                    sql::Instance& engine, const config::Gaps& gaps = {});

/// True if one of `names`, tables that some SQL reads, is a gap: neither right nor unknown.
bool reads_gap(const std::vector<std::string>& names, const TableSchemas& known,
               const config::Gaps& gaps);

/// Shows a table without rows on `connection`, to check SQL against.
base::Result<void> show_columns(sql::Connection& connection, const std::string& name,
                                const lake::Schema& schema);

}  // namespace millrace::batch
