#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "flow/cut_board.hpp"
#include "flow/rows_run.hpp"

namespace millrace::flow {

/// Tells which rows came to a stream's table since one looked last. It holds no rows: what was
/// committed between two looks, and so is no longer in memory, is only counted.
/// Threads: one at a time.
class TailCursor {
 public:
  struct News {
    std::vector<RowAt> rows;  ///< in the order in which they came
    std::int64_t missed = 0;  ///< that came too, before them
  };

  /// Begins after the rows that `table` shows.
  explicit TailCursor(const TableCut& table);

  /// What is new in `table`: the newest `rows_max` of it.
  News look(const TableCut& table, std::size_t rows_max);

 private:
  bool is_new(std::int32_t shard, std::int64_t offset) const;

  std::map<std::int32_t, std::int64_t> next_;  // by shard: rows before it were seen
  std::int64_t row_count_ = 0;                 // that there were at the last look
};

}  // namespace millrace::flow
