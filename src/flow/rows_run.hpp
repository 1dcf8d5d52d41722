#pragma once

#include <functional>
#include <vector>

#include "flow/batch_relation.hpp"
#include "flow/table_plan.hpp"

namespace millrace::flow {

/// A row of a micro-batch.
struct RowAt {
  std::shared_ptr<const sql::Chunk> chunk;
  std::uint32_t row = 0;
};

/// Some rows of a micro-batch, in order: chunks, and which rows of each.
class RowSet {
 public:
  RowSet() = default;
  explicit RowSet(std::vector<std::shared_ptr<const sql::Chunk>> chunks);

  std::size_t count() const { return count_; }
  /// Calls for each row, in order, with its index in this set.
  void for_each(const std::function<void(std::size_t, const RowAt&)>& call) const;
  /// The rows for which `keep[index]` holds.
  RowSet where(const std::vector<bool>& keep) const;
  /// The rows from `from` to before `to`.
  RowSet range(std::size_t from, std::size_t to) const;
  std::vector<BatchRelation::Part> parts() const;

 private:
  struct Part {
    std::shared_ptr<const sql::Chunk> chunk;
    bool has_all = true;
    std::vector<std::uint32_t> rows;
  };
  static std::size_t count_of(const Part& part);
  std::vector<Part> parts_;
  std::size_t count_ = 0;
};

/// How a statement was run over rows.
struct RunHandlers {
  /// The result for `rows`, all of it.
  std::function<void(const RowSet& rows, std::vector<sql::Chunk> result)> result;
  /// A row that makes the statement fail, alone.
  std::function<void(const RowAt& row, const base::Error& error)> failed;
};

/// Runs `statement` over `rows`. If the data of some make it fail, they are found by halving and
/// given to `failed` one by one; the others give their result all the same, in order. Errors  all
/// but Invalid: memory, an interrupt; nothing is known of the rows then.
base::Result<void> run_over(sql::Statement& statement, BatchRelation& relation, const RowSet& rows,
                            const RunHandlers& handlers);

}  // namespace millrace::flow
