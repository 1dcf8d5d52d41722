#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/text_table.hpp"
#include "base/result.hpp"

namespace millrace::app {

/// The answer to a query or report: `POST /v1/query`, `GET /v1/reports/{report}`.
struct ResultTable {
  struct Column {
    std::string name;
    std::string type;
  };
  struct Chart {
    std::string kind;   ///< `bar` or `line`
    std::string value;  ///< the column drawn
    std::string by;     ///< the column that labels it
  };

  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  ///< numbers with the digits that they were sent with
  bool is_truncated = false;
  double elapsed_ms = 0;
  std::optional<Chart> chart;
};

/// Errors  Corrupt: it is no such answer.
base::Result<ResultTable> parse_result_table(std::string_view json);

/// The table, with numbers to the right, and below it how many rows there are.
std::string text_of(const ResultTable& table, const Paint& paint, std::size_t width);

/// The chart of the table; empty if it has none or its columns are not there.
std::string chart_text(const ResultTable& table, const Paint& paint, std::size_t width);

}  // namespace millrace::app
