#include "parquet/file_writer.hpp"

#include "parquet/footer.hpp"

namespace millrace::parquet {

using base::Result;

namespace {

constexpr std::string_view kMagic = "PAR1";

// As many rows in each as a row group has.
std::vector<std::vector<RowSlice>> groups_of(const std::vector<RowSlice>& rows,
                                             std::size_t rows_max) {
  std::vector<std::vector<RowSlice>> groups;
  std::size_t free = 0;
  for (auto slice : rows) {
    while (!slice.rows.empty()) {
      if (free == 0) {
        groups.emplace_back();
        free = rows_max;
      }
      const auto taken = std::min(free, slice.rows.size());
      groups.back().push_back({slice.chunk, slice.rows.first(taken)});
      slice.rows = slice.rows.subspan(taken);
      free -= taken;
    }
  }
  return groups;
}

std::int64_t row_count(const std::vector<RowSlice>& rows) {
  std::size_t count = 0;
  for (const auto& slice : rows) count += slice.rows.size();
  return static_cast<std::int64_t>(count);
}

LeafRows rows_of(const Leaf& leaf, const FileColumn& column, const std::vector<RowSlice>& slices) {
  LeafRows rows(leaf);
  for (const auto& slice : slices) {
    if (column.index) {
      rows.add(slice, *column.index);
    } else {
      rows.add_missing(slice.rows.size());
    }
  }
  return rows;
}

std::vector<ColumnFacts> facts_of(const std::vector<Leaf>& leaves,
                                  const std::vector<Statistics>& statistics) {
  std::vector<ColumnFacts> facts;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const auto& leaf = leaves[i];
    const auto& all = statistics[i];
    if (leaf.repetition_max > 0) continue;
    facts.push_back({.path = leaf.dotted(),
                     .null_count = all.null_count,
                     .has_nan = all.has_nan,
                     .min = bound_text(leaf, all, Bound::Min),
                     .max = bound_text(leaf, all, Bound::Max)});
  }
  return facts;
}

}  // namespace

Result<Written> write_file(const std::vector<FileColumn>& columns,
                           const std::vector<RowSlice>& rows, const WriterOptions& options,
                           const Sink& sink) {
  std::vector<sql::Column> described;
  for (const auto& column : columns) described.push_back(column.column);
  const auto schema = TRY(schema_of(described));
  Compressor compressor(options.zstd_level);
  Footer footer(schema);
  std::vector<Statistics> statistics;
  for (const auto& leaf : schema.leaves) {
    const LeafRows none(leaf);
    statistics.push_back(statistics_of(none, none.values()));
  }
  TRY(sink(kMagic));
  for (const auto& group : groups_of(rows, options.row_group_rows)) {
    footer.begin_row_group(row_count(group));
    for (std::size_t i = 0; i < schema.leaves.size(); ++i) {
      const auto& leaf = schema.leaves[i];
      const auto leaf_rows = rows_of(leaf, columns[leaf.column], group);
      const auto chunk = TRY(encode(leaf, leaf_rows, options, compressor));
      footer.add(leaf, chunk);
      add(statistics[i], chunk.statistics);
      TRY(sink(chunk.bytes));
    }
  }
  const auto end = footer.encode(row_count(rows));
  TRY(sink(end + std::string(kMagic)));
  return Written{row_count(rows), facts_of(schema.leaves, statistics)};
}

}  // namespace millrace::parquet
