#pragma once

#include <memory>

#include "serve/rows_writer.hpp"

namespace millrace::serve {

/// Writes an Arrow IPC stream, a record batch for each chunk. `query` must outlive it.
/// Errors  Invalid: a column's type has no place there.
base::Result<std::unique_ptr<RowsWriter>> make_arrow_writer(flow::Query& query);

}  // namespace millrace::serve
