#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "flow/generation.hpp"
#include "lake/table.hpp"

namespace millrace::flow {

/// One table as a query sees it: a version, and exactly the hot rows that are not in it.
struct TableCut {
  os::Path root;
  std::shared_ptr<const lake::Snapshot> snapshot;
  std::vector<std::shared_ptr<const Chunks>> hot;
  /// Of the hot rows: another worker may have added columns to the table, which these lack.
  std::vector<sql::Column> hot_columns;
  std::shared_ptr<const Reached> reached;  ///< by the hot rows; null: no further than the snapshot
  /// Another number for other rows, in this process. The same rows may have several, after a
  /// compaction or when hot rows were committed.
  std::uint64_t edition = 0;
};

/// Editions of tables, by name: two questions that read the same ones have the same answer.
using Editions = std::map<std::string, std::uint64_t>;

/// All tables at one moment.
struct Cut {
  std::map<std::string, TableCut, std::less<>> tables;
};

/// Where the newest cut hangs. Writers change tables through it, readers take the cut: one pointer,
/// swapped whole, so that a query never sees half of a change. Threads: safe from any.
class CutBoard {
 public:
  /// Makes `table` known. It must outlive the board, or be removed.
  void add_table(const std::string& name, lake::Table& table);
  void remove_table(const std::string& name);
  /// Makes hot rows of `name` visible, until the table's snapshot contains them.
  void add_generation(const std::string& name, std::shared_ptr<Generation> generation);
  /// Forgets hot rows of `name` that will never be committed.
  void drop_generations(const std::string& name);
  /// Looks for what others have committed to any table, and publishes it. Shape  the tables whose
  /// version is another now, with the version that they had. Errors  of the last that could not be
  /// read; the others are shown all the same.
  std::map<std::string, base::TableVersion> follow(std::optional<base::Error>& error);

  /// Runs `change`, which adds rows to generations, and then publishes a cut with all of them.
  void publish(const std::function<void()>& change);
  /// Publishes what tables and generations are now: after a commit.
  void publish() {
    publish([] {});
  }

  std::shared_ptr<const Cut> cut() const;
  /// Waits for a newer cut than the one with the number `seen`, until `timeout` or a stop. Shape
  /// the number of the newest; the first has 0.
  std::uint64_t wait_beyond(std::uint64_t seen, std::chrono::microseconds timeout,
                            const std::stop_token& stop) const;
  /// A known table, or null.
  lake::Table* table(std::string_view name) const;
  std::vector<std::string> table_names() const;

 private:
  struct Entry {
    lake::Table* table = nullptr;
    std::vector<std::shared_ptr<Generation>> generations;
  };

  std::mutex change_mutex_;  // one change at a time
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;         // Guarded by mutex_.
  std::shared_ptr<const Cut> cut_ = std::make_shared<Cut>();  // Guarded by mutex_.
  std::uint64_t cut_number_ = 0;                              // Guarded by mutex_.
  std::uint64_t edition_last_ = 0;                            // Guarded by mutex_.
  mutable std::condition_variable_any changed_;
};

}  // namespace millrace::flow
