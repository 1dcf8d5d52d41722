#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch/marks.hpp"
#include "flow/cut_board.hpp"

namespace millrace::batch {

/// A job that is ready to run: its plan, its table, and how to say what was run.
struct RunnableJob {
  const JobPlan& plan;
  lake::Table& output;
  const Marks& marks;
};

using lake::Files;

/// What a job reads and replaces, all as it is at one moment. Never changes.
class Pinned {
 public:
  /// Looks for what others committed first.
  /// Errors  NotFound: a table is not there.
  static base::Result<std::shared_ptr<const Pinned>> pin(const RunnableJob& job,
                                                         flow::CutBoard& board);

  const flow::TableCut& table(const std::string& name) const;
  /// The files of a partition of an input that is read by partition (`JobInput::is_within`); those
  /// that do not say which they belong to, in each. None: another table.
  std::optional<Files> files_within(const std::string& table, const Partition& partition) const;

  std::shared_ptr<const lake::Snapshot> output;                       ///< what is replaced
  std::map<std::string, std::shared_ptr<const lake::Snapshot>> read;  ///< by input

 private:
  struct ByPartition {
    std::map<Partition, Files> files;
    Files unknown;
  };
  void sort_files(const std::string& table, const RunnableJob& job);

  std::shared_ptr<const flow::Cut> cut_;
  std::map<std::string, ByPartition> by_partition_;
};

}  // namespace millrace::batch
