#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "batch/marks.hpp"
#include "batch/table_changes.hpp"

namespace millrace::batch {

/// The moment from which on partitions can be computed, out of these versions: rows before it may
/// have been removed because they are old, in an input or in the job's own table. None: all can.
std::optional<base::Time> computable_from(
    const JobPlan& plan, const std::map<std::string, std::shared_ptr<const lake::Snapshot>>& inputs,
    const lake::Snapshot& output);

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
  /// A final partition is not.
  base::Result<bool> is_stale(const Partition& partition);
  /// True if rows that it is computed from may have been removed because they are old, or its own
  /// were: it stays as it is, since it would lack them if it was computed now.
  bool is_final(const Partition& partition) const;

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
