#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/partition.hpp"
#include "batch/plan.hpp"
#include "lake/table.hpp"

namespace millrace::batch {

/// What the table of a job says about the last successful run of each partition, in positions
/// (`txn`) of its own:
///   millrace/<pipeline>/<job>/<partition>/<input>@<life>  the version of the input that was read;
///                                      <life> is the start of that table's id: a table that was
///                                      made anew is another input
///   millrace/<pipeline>/<job>/<partition>/sql             how often it ran, times 2^32, plus the
///                                      fingerprint of the SQL: positions only grow
/// Threads: safe from any.
class Marks {
 public:
  Marks(std::string pipeline, const JobPlan& plan, const config::TimeZone& zone);

  const config::TimeZone& zone() const { return zone_; }

  std::string sql_mark(const Partition& partition) const;
  std::string input_mark(const Partition& partition, const std::string& input,
                         const lake::Snapshot& snapshot) const;

  /// True if the partition was last run with the SQL as it is now.
  bool has_same_sql(const lake::Snapshot& output, const Partition& partition) const;
  /// The partitions that were ever run.
  std::vector<Partition> partitions(const lake::Snapshot& output) const;

  /// The positions that a run's commit moves; `read` are the snapshots that it read, by input.
  /// Errors  Corrupt: an input stands behind what was read of it before.
  base::Result<std::vector<lake::Transaction::Position>> after_run(
      const lake::Snapshot& output, const Partition& partition,
      const std::map<std::string, std::shared_ptr<const lake::Snapshot>>& read) const;

 private:
  std::string prefix(const Partition& partition) const;

  const std::string pipeline_;
  const JobPlan& plan_;
  const config::TimeZone zone_;
};

}  // namespace millrace::batch
