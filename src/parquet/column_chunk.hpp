#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parquet/bounds.hpp"
#include "parquet/compressor.hpp"

namespace millrace::parquet {

/// Encodings of values, by their numbers in the format.
enum class Encoding : std::uint8_t { Plain = 0, Rle = 3, RleDictionary = 8 };

struct WriterOptions {
  /// Small enough for readers to skip, large enough to compress.
  std::size_t row_group_rows = 122'880;
  std::size_t page_bytes_max = std::size_t{1} << 20;  ///< before compression; one row may be more
  int zstd_level = 1;
  /// A column with more distinct values in a row group is written plainly.
  std::size_t dictionary_entries_max = 4096;
};

/// One leaf's values of one row group, as they stand in the file.
struct ColumnChunk {
  std::string bytes;                                ///< pages
  std::optional<std::size_t> dictionary_size = {};  ///< bytes of the dictionary's page, the first
  std::int64_t entry_count = 0;
  std::int64_t bytes_uncompressed = 0;  ///< with the pages' headers
  Statistics statistics = {};
};

/// Errors  Exhausted: memory.
/// Source  README.md of parquet-format, "Data Pages"; pages are of version 1.
base::Result<ColumnChunk> encode(const Leaf& leaf, const LeafRows& rows,
                                 const WriterOptions& options, Compressor& compressor);

}  // namespace millrace::parquet
