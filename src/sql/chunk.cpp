#include "sql/chunk.hpp"

#include <algorithm>
#include <numeric>

#include "base/result.hpp"

namespace millrace::sql {

Selection::Selection(std::span<const std::uint32_t> rows_) : Selection(rows_.size()) {
  std::ranges::copy(rows_, rows().begin());
}

Chunk::Chunk(std::span<const Column> columns) {
  std::vector<duckdb_logical_type> types;
  for (const auto& column : columns) types.push_back(column.type.handle());
  handle_ = duckdb_create_data_chunk(types.data(), types.size());
  CHECK(handle_ != nullptr);
}

void Chunk::append(const Chunk& source, const Selection& selection) {
  const std::size_t at = row_count();
  CHECK(at + selection.count() <= kChunkRows && column_count() == source.column_count());
  // The size first: DuckDB copies list and string parts only into rows that exist.
  set_row_count(at + selection.count());
  for (std::size_t i = 0; i < column_count(); ++i) {
    column(i).copy_from(source.column(i), selection, 0, selection.count(), at);
  }
}

Selection all_rows(std::size_t count) {
  Selection selection(count);
  std::iota(selection.rows().begin(), selection.rows().end(), 0U);
  return selection;
}

}  // namespace millrace::sql
