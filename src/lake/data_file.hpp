#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "lake/statistics.hpp"
#include "lake/table.hpp"

namespace millrace::lake {

struct DataFileOptions {
  std::size_t row_group_rows =
      122'880;  ///< small enough for readers to skip, large enough to compress
  /// What follows COMPRESSION in COPY. docs/decisions/003-parquet-settings.md.
  std::string codec = "zstd, COMPRESSION_LEVEL 1";
  std::size_t dictionary_entries_max = 4096;  ///< more distinct values are written plainly
};

/// What is known of a file once it is written, by DuckDB's paths of columns.
struct WrittenRows {
  std::int64_t record_count = 0;
  std::map<std::string, ColumnFacts> facts;
};
/// Writes a Parquet file where it is told.
using WriteDraft = std::function<base::Result<WrittenRows>(const os::Path& draft)>;

/// Makes a data file of the partition of what `write` writes, durably, and describes it for a
/// commit. Shape   none if there were no rows. Errors  those of `write` and of the store. What was
/// written of a failed file is removed.
base::Result<std::optional<AddFile>> make_data_file(const Table& table,
                                                    const PartitionValues& partition,
                                                    const WriteDraft& write);

/// The same with the rows of `select`, which gives the table's columns without the partition
/// columns. Errors  Exhausted: disk full. Invalid: the SQL.
base::Result<std::optional<AddFile>> write_data_file(sql::Connection& connection,
                                                     const Table& table, const std::string& select,
                                                     const PartitionValues& partition,
                                                     const DataFileOptions& options = {});

/// The SQL list of a table's columns that stand in its files: all but the partition columns.
std::string data_columns(const Metadata& metadata);

/// A condition that holds for the rows of one partition.
std::string partition_condition(const Metadata& metadata, const PartitionValues& partition);

/// The partitions that occur in the rows of `relation`.
base::Result<std::vector<PartitionValues>> partitions_of(sql::Connection& connection,
                                                         const Metadata& metadata,
                                                         const std::string& relation);

/// All rows of `relation`, one file per partition.
base::Result<std::vector<AddFile>> write_data_files(sql::Connection& connection, const Table& table,
                                                    const std::string& relation,
                                                    const DataFileOptions& options = {});

}  // namespace millrace::lake
