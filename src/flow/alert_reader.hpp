#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "flow/alert.hpp"
#include "flow/alert_plan.hpp"
#include "flow/cut_board.hpp"

namespace millrace::flow {

/// Reads the rows of a table once, in the order of each shard's positions: hot rows as they are in
/// memory, and committed rows from the lake where those were missed.
/// Threads: one at a time.
class AlertReader {
 public:
  struct Start {
    Reached positions;              ///< of the delivery; a shard that is missing begins at 0
    std::set<RowPosition> settled;  ///< rows at or after them that ended already
  };
  AlertReader(AlertPlan plan, DeliveryName name, Start start);

  /// Where several workers share the source: reads these shards alone, from now on those that are
  /// new from where `start` says.
  void read_only(const std::set<std::int32_t>& shards, const Start& start);

  /// Rows that alert, out of some that were read, and how far the reading is now.
  struct Step {
    std::vector<AlertRow> rows;
    Reached reached;
  };
  /// False: it is enough for now; what was not handed over comes with the next call.
  using Take = std::function<bool(Step)>;

  /// Hands over what is new in `table`.
  /// Errors  of reading the lake; what was handed over stays so.
  base::Result<void> read(const TableCut& table, sql::Instance& engine, const Take& take);

  /// How far the rows of `table` go, by shard.
  Reached ends(const TableCut& table) const;

 private:
  struct Next {
    std::int64_t offset = 0;
    std::int32_t row = 0;
    auto operator<=>(const Next&) const = default;
  };

  bool is_ours(std::int32_t shard) const { return !ours_ || ours_->contains(shard); }
  Reached ours_of(Reached positions) const;
  Reached committed(const TableCut& table) const;
  bool is_new(const RowPosition& at) const;
  RowPosition position(const sql::Chunk& chunk, std::size_t row) const;
  base::Result<bool> fill_gap(const TableCut& table, std::int32_t shard, std::int64_t until,
                              sql::Instance& engine, const Take& take);
  base::Result<bool> read_hot(const TableCut& table, const Take& take);
  base::Result<bool> judge(std::shared_ptr<const sql::Chunk> chunk, const Take& take);
  void add_rows(const sql::Chunk& result, std::vector<AlertRow>& rows) const;

  AlertPlan plan_;
  const DeliveryName name_;
  std::map<std::int32_t, Next> next_;  // by shard
  std::set<RowPosition> settled_;
  std::optional<std::set<std::int32_t>> ours_;  // none: all
};

}  // namespace millrace::flow
