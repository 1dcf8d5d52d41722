#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "batch/computer.hpp"

namespace millrace::batch {

/// A partition of a job's table that is to be replaced by what was computed for it.
struct Replacement {
  struct Pending {};
  struct Done {
    std::int64_t rows = 0;
  };

  const Partition& partition;
  const Computed& computed;
  std::string run_id;
  /// Conflict: somebody changed the partition since it was pinned; it is to be computed anew.
  std::variant<Pending, Done, lake::Conflict, base::Error> outcome = Pending{};
};

/// Replaces the partitions in one commit, which moves the marks of all of them by compare-and-set;
/// those that others changed since are left out. Files of those that are not replaced are removed,
/// unless it is not known. Shape  the outcome of each is set.
void replace_partitions(const RunnableJob& job, std::vector<Replacement>& replacements);

/// The rows that runs committed, by run_id, as far as the history of the job's table tells.
std::map<std::string, std::int64_t> committed_runs(const lake::Table& output);

}  // namespace millrace::batch
