#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parquet/column_chunk.hpp"
#include "parquet/thrift.hpp"

namespace millrace::parquet {

/// What stands at a file's end: its columns, and where their pages are.
/// Source  parquet.thrift of parquet-format, "FileMetaData".
class Footer {
 public:
  /// `schema` must outlive it.
  explicit Footer(const FileSchema& schema) : schema_(schema) {}

  void begin_row_group(std::int64_t rows) { groups_.push_back({rows, {}}); }
  /// The next leaf's pages, which follow those before in the file.
  void add(const Leaf& leaf, const ColumnChunk& chunk);

  /// The footer with its length, without the magic word.
  std::string encode(std::int64_t rows) const;

 private:
  struct Column {
    std::int64_t from = 0;  // in the file
    std::int64_t size = 0;
    std::int64_t size_uncompressed = 0;
    std::int64_t entry_count = 0;
    std::int64_t null_count = 0;
    std::optional<std::size_t> dictionary_size;
    std::optional<std::string> min, max;
  };
  struct Group {
    std::int64_t rows = 0;
    std::vector<Column> columns;
  };

  static void append(const Leaf& leaf, const Column& column, ThriftWriter& out);
  void append_group(const Group& group, std::size_t index, ThriftWriter& out) const;

  const FileSchema& schema_;
  std::int64_t at_ = 4;  // behind the magic word
  std::vector<Group> groups_;
};

}  // namespace millrace::parquet
