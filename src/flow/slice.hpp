#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flow/cut_board.hpp"
#include "sql/connection.hpp"

namespace millrace::flow {

/// Which rows of a table the answer of a SELECT can depend on, as far as the table's partition
/// columns tell them apart: the rows of one day, of the last seven.
struct Slice {
  std::string table;
  /// Gives the slice's mark out of what `marks_sql` gives as `table`. It has those parameters of
  /// the SELECT that its conditions on partition columns have.
  std::string sql;
};

/// None if the SELECT `text` may read any partition, or more than one table, or one more than once.
/// Errors  Invalid: not one SELECT.
base::Result<std::optional<Slice>> slice_of(sql::Connection& connection, std::string_view text,
                                            const std::vector<std::string>& partition_columns);

/// SQL of a relation of the table's partition columns and `_mark`: a row for the files of each
/// partition, and one for each hot row, which the relation `hot` gives. Other files or rows have
/// other marks. None if there are too many partitions for the question to be worth its answer.
std::optional<std::string> marks_sql(const TableCut& table, const std::string& hot);

}  // namespace millrace::flow
