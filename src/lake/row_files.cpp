#include "lake/row_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "lake/data_file.hpp"
#include "parquet/file_writer.hpp"
#include "sql/render.hpp"

namespace millrace::lake {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

/// Which rows of a chunk belong to a file.
struct ChunkRows {
  const sql::Chunk* chunk = nullptr;
  std::vector<std::uint32_t> rows;
};
using RowsByPartition = std::map<PartitionValues, std::vector<ChunkRows>>;

/// A column by which the table is partitioned.
struct PartitionColumn {
  std::string name;
  std::size_t index = 0;
  duckdb_type id = DUCKDB_TYPE_INVALID;
  sql::Renderer renderer;

  // NULL and the empty text are one partition.
  std::optional<std::string> text(const sql::Chunk& chunk, std::size_t row) const {
    auto value = renderer.text(chunk.column(index), row);
    return value.empty() ? std::nullopt : std::optional(std::move(value));
  }

  // False if one would have to look more closely.
  bool is_as_before(const sql::Chunk& chunk, std::size_t row) const {
    const auto vector = chunk.column(index);
    if (vector.is_null(row) || vector.is_null(row - 1)) return false;
    if (id == DUCKDB_TYPE_DATE || id == DUCKDB_TYPE_INTEGER) {
      const auto* values = vector.data<std::int32_t>();
      return values[row] == values[row - 1];
    }
    return id == DUCKDB_TYPE_VARCHAR && vector.text(row) == vector.text(row - 1);
  }
};

Result<std::vector<PartitionColumn>> partition_columns(const Metadata& metadata,
                                                       const std::vector<sql::Column>& columns) {
  std::vector<PartitionColumn> found;
  for (const auto& name : metadata.partition_columns) {
    const auto column = std::ranges::find(columns, name, &sql::Column::name);
    if (column == columns.end()) {
      return Error{Code::Invalid, fmt::format("the rows have no column '{}', by which the table is "
                                              "partitioned",
                                              name)};
    }
    found.push_back({.name = name,
                     .index = static_cast<std::size_t>(column - columns.begin()),
                     .id = column->type.id(),
                     .renderer = sql::Renderer(column->type)});
  }
  return found;
}

RowsByPartition by_partition(const std::vector<PartitionColumn>& columns, const RowChunks& all) {
  RowsByPartition parts;
  for (const auto& chunk : all.chunks) {
    std::vector<std::uint32_t>* into = nullptr;
    for (std::uint32_t row = 0; row < chunk->row_count(); ++row) {
      const auto is_as_before = [&](const auto& column) {
        return column.is_as_before(*chunk, row);
      };
      if (!into || !std::ranges::all_of(columns, is_as_before)) {
        PartitionValues values;
        for (const auto& column : columns) values[column.name] = column.text(*chunk, row);
        auto& part = parts[std::move(values)];
        if (part.empty() || part.back().chunk != chunk.get()) part.push_back({chunk.get(), {}});
        into = &part.back().rows;
      }
      into->push_back(row);
    }
  }
  return parts;
}

// The file's columns: those of the table that are not in the folder's name.
Result<std::vector<parquet::FileColumn>> file_columns(const Metadata& metadata,
                                                      const std::vector<sql::Column>& columns) {
  std::vector<parquet::FileColumn> found;
  for (const auto& column : metadata.schema) {
    if (std::ranges::find(metadata.partition_columns, column.name) !=
        metadata.partition_columns.end()) {
      continue;
    }
    const auto own = std::ranges::find(columns, column.name, &sql::Column::name);
    found.push_back({.column = column});
    if (own == columns.end()) continue;
    found.back().index = static_cast<std::size_t>(own - columns.begin());
    if (stored_type(own->type) == stored_type(column.type)) continue;
    return Error{Code::Invalid, fmt::format("column '{}' is {} and the table's is {}", column.name,
                                            own->type.text(), column.type.text())};
  }
  return found;
}

WrittenRows described(const parquet::Written& written) {
  WrittenRows rows{.record_count = written.row_count, .facts = {}};
  for (const auto& column : written.facts) {
    auto& facts = rows.facts[column.path];
    facts["null_count"] = std::to_string(column.null_count);
    facts["has_nan"] = column.has_nan ? "true" : "false";
    if (column.min) facts["min"] = *column.min;
    if (column.max) facts["max"] = *column.max;
  }
  return rows;
}

Result<WrittenRows> write_draft(os::Disk& disk, const os::Path& draft,
                                const std::vector<parquet::FileColumn>& columns,
                                const std::vector<ChunkRows>& part) {
  std::vector<parquet::RowSlice> slices;
  for (const auto& one : part) slices.push_back({one.chunk, one.rows});
  const auto file = TRY(disk.open(draft, os::OpenMode::CreateNew));
  std::string buffer;
  const parquet::Sink sink = [&](std::string_view bytes) -> Result<void> {
    buffer += bytes;
    if (buffer.size() < kBufferBytes) return {};
    TRY(file->append(buffer));
    buffer.clear();
    return {};
  };
  const auto written = TRY(parquet::write_file(columns, slices, {}, sink));
  TRY(file->append(buffer));
  return described(written);
}

}  // namespace

Result<std::vector<AddFile>> write_rows(const Table& table, const RowChunks& rows) {
  const auto metadata = table.snapshot()->metadata;
  const auto columns = TRY(file_columns(*metadata, rows.columns));
  const auto parts = by_partition(TRY(partition_columns(*metadata, rows.columns)), rows);
  std::vector<AddFile> files;
  for (const auto& [values, part] : parts) {
    auto file = make_data_file(table, values, [&](const os::Path& draft) {
      return write_draft(table.tools().disk, draft, columns, part);
    });
    if (!file) {
      // On a full disk each further try would leave more files behind.
      for (const auto& written : files) table.discard_file(written.path);
      return std::move(file).error();
    }
    files.push_back(std::move(**file));
  }
  return files;
}

}  // namespace millrace::lake
