#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
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
};

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

  /// Runs `change`, which adds rows to generations, and then publishes a cut with all of them.
  void publish(const std::function<void()>& change);
  /// Publishes what tables and generations are now: after a commit.
  void publish() {
    publish([] {});
  }

  std::shared_ptr<const Cut> cut() const;
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
};

}  // namespace millrace::flow
