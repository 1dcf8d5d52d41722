#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/telemetry.hpp"
#include "flow/rejects_table.hpp"
#include "flow/table_flow.hpp"

namespace millrace::flow {

/// One coming commit, and what of it is done already.
struct CommitJob {
  std::string name;
  lake::Table* table = nullptr;
  Sealed sealed;
  std::optional<std::vector<lake::AddFile>> row_files;
  std::optional<std::vector<lake::AddFile>> reject_files;
  std::uint64_t term = 0;                       ///< of the loop that sealed it: older ones are void
  std::optional<lake::Conflict> conflict = {};  ///< another worker was faster
  bool is_unclear = false;    ///< an attempt may have been committed although it failed
  bool is_committed = false;  ///< in the table; the rejects may still have to follow
};

/// Brings sealed hot rows into the lake: files, the table's commit, the rejects' commit.
/// Threads: one at a time.
class Committer {
 public:
  Committer(const lake::Tools& tools, CutBoard& board, RejectsTable& rejects)
      : tools_(tools), board_(board), rejects_(rejects) {}

  /// Goes on with `job` until it is done.
  /// Errors  Denied: another writer moved the table on; the job says how, and must be dropped.
  ///         All others: nothing is lost; call again with the same job.
  base::Result<void> run(CommitJob& job);

 private:
  base::Result<void> commit(CommitJob& job);
  void show_rejects(const CommitJob& job, base::TableVersion version) const;
  base::Result<bool> is_done_already(const CommitJob& job) const;

  const lake::Tools tools_;
  CutBoard& board_;
  RejectsTable& rejects_;
};

}  // namespace millrace::flow
