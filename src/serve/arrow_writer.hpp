#pragma once

#include <memory>
#include <vector>

#include "serve/rows_writer.hpp"
#include "sql/arrow.hpp"

namespace millrace::serve {

/// Writes an Arrow IPC stream of rows of `columns`, a record batch for each chunk.
/// Errors  Invalid: a column's type has no place there.
base::Result<std::unique_ptr<RowsWriter>> make_arrow_writer(
    sql::ArrowOptions options, const std::vector<sql::Column>& columns);

}  // namespace millrace::serve
