#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "parquet/column_chunk.hpp"

namespace millrace::parquet {

/// A column of a file.
struct FileColumn {
  sql::Column column;
  /// Which column of the chunks it is; none: NULL in every row.
  std::optional<std::size_t> index = {};
};

/// What is known of a column of the file that is in no list.
struct ColumnFacts {
  std::string path;  ///< `"amount"`, `"address"."city"`
  std::int64_t null_count = 0;
  bool has_nan = false;
  std::optional<std::string> min = {}, max = {};  ///< as DuckDB shows values; a text is whole
};

struct Written {
  std::int64_t row_count = 0;
  std::vector<ColumnFacts> facts;
};

/// Takes the file's bytes, from its beginning on.
using Sink = std::function<base::Result<void>(std::string_view)>;

/// Writes rows as a Parquet file, in their order, by columns: what is held in memory beside the
/// chunks is one column of a row group, and the pages of one. The chunks' types are those of
/// `columns`, or JSON for VARCHAR.
/// Errors  Invalid: a type that we do not write. Exhausted: memory. Those of `sink`.
/// Source  parquet-format 2.x; docs/formats/parquet.md says what of it is used.
base::Result<Written> write_file(const std::vector<FileColumn>& columns,
                                 const std::vector<RowSlice>& rows, const WriterOptions& options,
                                 const Sink& sink);

}  // namespace millrace::parquet
