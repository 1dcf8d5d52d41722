#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "flow/cut_board.hpp"
#include "flow/generation.hpp"
#include "lake/table.hpp"

namespace millrace::flow {

inline constexpr const char* kRejectsTable = "_rejects";

/// The pipeline's table of rejects. What belongs in it is decided by the commits of the tables,
/// which name finished reject files; this table's own commits only follow them.
/// Threads: one at a time.
class RejectsTable {
 public:
  /// Opens or makes the table below `tables`, and shows it on the board.
  static base::Result<std::unique_ptr<RejectsTable>> open(const os::Path& tables,
                                                          const std::string& pipeline,
                                                          const lake::Tools& tools,
                                                          CutBoard& board);

  lake::Table& table() { return *table_; }
  /// Whose version says how far the commits of `table` were followed.
  std::string app_id(const std::string& table) const;

  /// Takes in what the commits of `table`, up to its newest, name. Recomputes nothing.
  /// Shape   the version up to which they were followed durably: older commits are needed no more.
  base::Result<base::TableVersion> roll_forward(const std::string& name, const lake::Table& table);
  /// The same where another worker committed to `table`, and mostly took its rejects in, too.
  base::Result<void> follow(const std::string& name, const lake::Table& table);

 private:
  RejectsTable(std::string pipeline, std::unique_ptr<lake::Table> table)
      : pipeline_(std::move(pipeline)), table_(std::move(table)) {}

  /// What is to be taken in.
  struct Coming {
    std::optional<std::int64_t> stood;  // up to this version it was
    std::vector<lake::AddFile> adds;
    base::TableVersion until;
  };
  base::Result<Coming> coming(const std::string& name, const lake::Table& table);
  base::Result<std::optional<base::TableVersion>> try_roll_forward(const std::string& name,
                                                                   const lake::Table& table);

  const std::string pipeline_;
  std::unique_ptr<lake::Table> table_;
  std::mutex mutex_;
  std::map<std::string, base::TableVersion> plain_until_;  // Guarded by mutex_. No rejects up to it
};

/// The version of `table` up to which `rejects`, a snapshot of the rejects table, followed it
/// durably; -1: it did not. Older commits of `table` are needed no more.
base::TableVersion followed_version(const lake::Snapshot& rejects, const std::string& pipeline,
                                    const std::string& table);

/// A commit's JSON object of ours, with what the rejects table follows.
std::string encode_extra(const std::vector<lake::AddFile>& rejects,
                         const std::map<std::string, base::Time>& newest_events,
                         const std::map<std::string, std::int64_t>& counts);
base::Result<std::vector<lake::AddFile>> rejects_of(const std::string& extra);
/// The newest event times, by app id, that a commit noted.
std::map<std::string, base::Time> newest_events_of(const std::string& extra);

}  // namespace millrace::flow
