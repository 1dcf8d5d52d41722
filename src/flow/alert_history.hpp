#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/alert.hpp"
#include "flow/cut_board.hpp"
#include "lake/table.hpp"

namespace millrace::flow {

inline constexpr const char* kAlertsTable = "_alerts";

/// The columns of the table `_alerts`.
const std::vector<sql::Column>& alert_columns();

/// What a delivery has settled since it was asked last.
struct Settled {
  std::vector<SettledRow> rows;
  Reached positions;  ///< with these rows, and those before
};

/// The table `_alerts`: how the alert of each row ended, and how far each delivery is. Its rows are
/// hot until they are committed, together with the positions.
/// Threads: one at a time, but `uncommitted_bytes` from any.
class AlertHistory {
 public:
  /// Opens or makes the table below `tables`, and shows it on the board. `worker` is this one's
  /// name, no other's, if several write the table.
  static base::Result<std::unique_ptr<AlertHistory>> open(const os::Path& tables,
                                                          const std::string& pipeline,
                                                          const lake::Tools& tools, CutBoard& board,
                                                          std::string worker = {});
  AlertHistory(const AlertHistory&) = delete;
  AlertHistory& operator=(const AlertHistory&) = delete;
  ~AlertHistory();

  lake::Table& table() { return *table_; }

  /// Takes in what was settled, and shows it.
  void add(const std::vector<std::pair<DeliveryName, Settled>>& settled);
  /// Commits what was taken in; nothing is lost if it fails: call again.
  /// Errors  Denied: another process writes the table.
  base::Result<void> commit();
  bool has_uncommitted() const { return sealed_ || row_count_ > 0 || !positions_.empty(); }
  std::uint64_t uncommitted_bytes() const { return uncommitted_bytes_; }

  /// Makes deliveries known that were not, at the present end of their tables, and puts others to
  /// rest. Durable when it returns. `ends` has the tables' committed positions.
  struct Wanted {
    DeliveryName name;
    Reached ends;
  };
  base::Result<void> enrol(const std::vector<Wanted>& wanted);
  /// Where a delivery stands, in this life of its source and in replays.
  Reached positions(const DeliveryName& name) const;

  /// The newest value of `day` among the committed rows; empty: there are none.
  std::string newest_day() const;
  /// Rows of `select`, which reads FROM history: all committed rows.
  base::Result<std::vector<sql::Chunk>> ask(const std::string& select);

 private:
  struct Sealed {
    std::shared_ptr<Generation> rows;
    std::map<std::string, std::int64_t> positions;
    std::int64_t number = 0;
    std::optional<std::vector<lake::AddFile>> files;
    bool is_unclear = false;
  };

  AlertHistory(std::string pipeline, std::unique_ptr<lake::Table> table, CutBoard& board,
               std::string worker);
  base::Result<bool> try_enrol(const std::vector<Wanted>& wanted);
  std::string counter_id() const;
  void begin_generation();
  base::Result<void> commit_sealed(Sealed& sealed);
  lake::Transaction::Position move(const std::string& id, std::int64_t next) const;
  void maintain();

  const std::string pipeline_;
  std::unique_ptr<lake::Table> table_;
  CutBoard& board_;
  const std::string worker_;  // empty: there is only this one
  std::shared_ptr<Generation> rows_;
  std::int64_t row_count_ = 0;                     // of rows_
  std::map<std::string, std::int64_t> positions_;  // that the next commit moves
  std::optional<Sealed> sealed_;
  std::atomic<std::uint64_t> uncommitted_bytes_{0};
};

}  // namespace millrace::flow
