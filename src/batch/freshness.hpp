#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "batch/marks.hpp"
#include "batch/table_changes.hpp"

namespace millrace::batch {

/// Which partitions of a job there are, and which are stale: never run, run with other SQL, or of
/// inputs that have changed since.
/// Threads: safe from any.
class Freshness {
 public:
  struct Parts {
    std::string pipeline;
    const JobPlan& plan;
    lake::Table& output;
    std::vector<lake::Table*> inputs;  ///< in the order of the plan's
    config::TimeZone zone;
    sql::Instance& engine;
  };
  explicit Freshness(const Parts& parts);

  /// The partitions that the job has or should have, oldest first. Where no input tells which days
  /// there are, all from the first one that was run to the last one that ended before `now`.
  base::Result<std::vector<Partition>> partitions(base::Time now);
  base::Result<bool> is_stale(const Partition& partition);

  /// Writes down that fresh partitions are fresh, where that was last said so many versions of an
  /// input ago that its log might be cleaned of them.
  base::Result<void> renew_marks();

  const Marks& marks() const { return marks_; }

 private:
  base::Result<void> advance();
  base::Result<bool> is_stale(const lake::Snapshot& output, const Partition& partition);

  const JobPlan& plan_;
  lake::Table& output_;
  const config::TimeZone zone_;
  const Marks marks_;
  std::mutex mutex_;
  std::vector<TableChanges> changes_;  // Guarded by mutex_.
};

}  // namespace millrace::batch
