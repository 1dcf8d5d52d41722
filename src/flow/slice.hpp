#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flow/cut_board.hpp"
#include "sql/connection.hpp"
#include "sql/value.hpp"

namespace millrace::flow {

/// Values for `$name` in SQL.
using Parameters = std::map<std::string, sql::Value>;

/// Which rows of a table the answer of a SELECT can depend on, as far as the table's partition
/// columns tell them apart: the rows of one day, of the last seven.
struct Slice {
  std::string table;
  /// Chooses among the partitions of `table`, with some of the SELECT's parameters.
  std::string sql;
};

/// What a slice is at one moment.
struct SliceRows {
  lake::Files files;
  std::string hot;  ///< other text for other hot rows
};

/// What a SELECT reads.
struct Reads {
  std::vector<std::string> tables;  ///< each once, also such as there are not
  /// Of tables that are read once, under conditions on partition columns. These may depend on the
  /// time: they hold for the transaction of the connection.
  std::vector<Slice> slices;
};

/// Errors  Invalid: not one SELECT, with place `byte N` where one is known.
base::Result<Reads> reads_of(sql::Connection& connection, std::string_view text, const Cut& cut);

/// The files, and the rows that the relation `hot` gives (empty: none are looked at), that are in
/// the slice. `connection` gets a view of the table's name.
/// Errors  Exhausted: the table has more partitions than is worth it. Invalid: the conditions fail.
base::Result<SliceRows> rows_of(sql::Connection& connection, const Slice& slice,
                                const TableCut& table, const Parameters& parameters,
                                const std::string& hot);

}  // namespace millrace::flow
