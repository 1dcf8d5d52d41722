#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lake/table.hpp"
#include "sql/chunk.hpp"

namespace millrace::lake {

/// Rows in memory: flat chunks of these columns, which never change.
struct RowChunks {
  const std::vector<sql::Column>& columns;
  std::span<const std::shared_ptr<const sql::Chunk>> chunks;
};

/// Writes the rows, one Parquet file for each partition that occurs in them, durably, and describes
/// the files for a commit. No SQL runs. Columns of the table that the rows lack are NULL.
/// Shape   sorted by partition; none if there are no rows.
/// Errors  Invalid: a column of another type than the table's. Exhausted: disk full, or memory.
///         What was written of it is removed.
base::Result<std::vector<AddFile>> write_rows(const Table& table, const RowChunks& rows);

}  // namespace millrace::lake
