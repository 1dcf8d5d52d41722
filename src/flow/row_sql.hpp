#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sql/connection.hpp"

namespace millrace::flow {

/// The columns by which each row can be traced to its record; every table carries them.
inline constexpr std::string_view kShard = "_shard";
inline constexpr std::string_view kOffset = "_offset";
inline constexpr std::string_view kRow = "_row";
inline constexpr std::string_view kReceivedAt = "_received_at";

/// Checks that `text` is one SELECT from `relation` that works row by row and whose answer depends
/// on nothing but its rows, and adds the position columns to its result, whether it names them or
/// not. What would depend on how the stream was cut (aggregates, windows, ORDER BY, LIMIT,
/// DISTINCT) or on when it ran (now(), random()) is refused. `connection` must know `relation`.
/// Shape   columns of the SELECT, then _shard, _offset, _row (0 in each row), _received_at.
/// Errors  Invalid, with place `byte N` of `text` where one is known.
base::Result<std::string> compile_row_sql(sql::Connection& connection, std::string_view text,
                                          std::string_view relation);

/// The same check for one expression over the rows of `relation`.
base::Result<void> check_row_expression(sql::Connection& connection, std::string_view expression,
                                        std::string_view relation);
/// The same check for a SELECT list, which must give one row for each row.
base::Result<void> check_row_list(sql::Connection& connection, std::string_view list,
                                  std::string_view relation);

/// The functions, in lower case, whose answer does not depend on their arguments alone: now(),
/// random(), the current user.
base::Result<std::set<std::string, std::less<>>> varying_functions(sql::Connection& connection);

}  // namespace millrace::flow
