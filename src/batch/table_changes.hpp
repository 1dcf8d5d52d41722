#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "batch/partition.hpp"
#include "batch/plan.hpp"
#include "lake/table.hpp"

namespace millrace::batch {

/// Which of a job's partitions the changes of one of its inputs touch, and when, by the input's own
/// log. Compaction and other rewrites (`dataChange` false) touch nothing, nor does the removal of
/// old rows. Threads: one at a time.
class TableChanges {
 public:
  TableChanges(lake::Table& table, const JobInput& input, const config::Job& job,
               const config::TimeZone& zone, sql::Instance& engine);

  /// Takes in what was committed since the last call.
  base::Result<void> advance();
  /// True if a version after `version` changed the partition, or if the log no longer says.
  base::Result<bool> changed_after(std::int64_t version, const Partition& partition);
  /// The partitions that some row of the input belongs or belonged to.
  const std::set<Partition>& partitions() const { return partitions_; }

  /// Up to which version the table's changes were taken in.
  std::int64_t known_until() const { return known_until_; }

  lake::Table& table() const { return table_; }

 private:
  base::Result<void> begin();
  base::Result<void> take_in(const std::vector<lake::Commit>& commits);
  base::Result<void> read_times(const std::vector<std::string>& paths);
  base::Result<bool> reach_back(std::int64_t version);
  std::optional<std::set<Partition>> partitions_of(const std::string& path,
                                                   const lake::PartitionValues& values) const;
  void touch(std::int64_t version, const std::string& path, const lake::PartitionValues& values);

  lake::Table& table_;
  const JobInput input_;
  const config::Each each_;
  const std::string each_column_;
  const config::TimeZone zone_;
  sql::Instance& engine_;

  std::int64_t known_after_ = -1;  // the log is taken in from the version after this one
  std::int64_t known_until_ = -1;  // to this one
  std::int64_t gone_until_ = -1;   // versions up to this one are no longer in the log
  std::int64_t touched_all_ = -1;  // the last version that may have touched any partition
  std::map<Partition, std::int64_t> touched_;  // the last version that touched it
  std::set<Partition> partitions_;
  std::map<std::string, std::set<Partition>> by_file_;  // By::Time: what was read of each file
};

}  // namespace millrace::batch
