#include "sql/chunk.hpp"

#include <algorithm>
#include <cstring>
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

namespace {

// Shorter ones lie in the vector itself.
bool lies_outside(const duckdb_string_t& text) {
  return text.value.inlined.length > sizeof text.value.inlined.inlined;
}

bool has_texts(const Type& type) {
  return type.id() == DUCKDB_TYPE_VARCHAR || type.id() == DUCKDB_TYPE_BLOB;
}

bool has_nulls(const Vector& vector) {
  return duckdb_vector_get_validity(vector.handle()) != nullptr;
}

// Gives where the next text belongs.
char* copy_texts(const Vector& from, std::size_t rows, const Vector& to, std::size_t at,
                 char* outside) {
  const auto* texts = from.data<duckdb_string_t>();
  auto* copies = to.data<duckdb_string_t>() + at;
  const bool may_be_null = has_nulls(from);
  for (std::size_t row = 0; row < rows; ++row) {
    if (may_be_null && from.is_null(row)) {
      copies[row] = {};
      to.set_null(at + row);
      continue;
    }
    copies[row] = texts[row];
    if (!lies_outside(texts[row])) continue;
    const auto size = texts[row].value.pointer.length;
    std::memcpy(outside, texts[row].value.pointer.ptr, size);
    copies[row].value.pointer.ptr = outside;
    outside += size;
  }
  return outside;
}

}  // namespace

std::size_t Vector::bytes_outside(std::size_t rows) const {
  const auto* texts = data<duckdb_string_t>();
  const bool may_be_null = has_nulls(*this);
  std::size_t bytes = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    if (!lies_outside(texts[row]) || (may_be_null && is_null(row))) continue;
    bytes += texts[row].value.pointer.length;
  }
  return bytes;
}

Chunk Chunk::packed(std::span<const Chunk* const> parts, std::span<const Column> columns) {
  Chunk chunk(columns);
  std::size_t bytes = 0, count = 0;
  for (const auto* part : parts) {
    count += part->row_count();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (has_texts(columns[i].type)) bytes += part->column(i).bytes_outside(part->row_count());
    }
  }
  CHECK(count <= kChunkRows);
  chunk.set_row_count(count);
  if (bytes > 0) chunk.texts_ = std::make_unique_for_overwrite<char[]>(bytes);
  char* outside = chunk.texts_.get();
  std::size_t at = 0;
  for (const auto* part : parts) {
    const auto rows = part->row_count();
    const auto selection = all_rows(rows);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (has_texts(columns[i].type)) {
        outside = copy_texts(part->column(i), rows, chunk.column(i), at, outside);
      } else {
        chunk.column(i).copy_from(part->column(i), selection, 0, rows, at);
      }
    }
    at += rows;
  }
  return chunk;
}

Selection all_rows(std::size_t count) {
  Selection selection(count);
  std::iota(selection.rows().begin(), selection.rows().end(), 0U);
  return selection;
}

}  // namespace millrace::sql
