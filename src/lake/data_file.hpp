#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lake/table.hpp"

namespace millrace::lake {

struct DataFileOptions {
  std::size_t row_group_rows =
      122'880;  ///< small enough for readers to skip, large enough to compress
  /// What follows COMPRESSION in COPY. docs/decisions/003-parquet-settings.md.
  std::string codec = "zstd, COMPRESSION_LEVEL 1";
  std::size_t dictionary_entries_max = 4096;  ///< more distinct values are written plainly
  /// Those that occur in the rows, of who knows them; empty: they are looked for.
  std::vector<PartitionValues> partitions = {};
};

/// Writes the rows of `select` (which gives the table's columns without the partition columns) as
/// one Parquet file of the partition, durably, and describes it for a commit. Shape   none if there
/// were no rows. Errors  Exhausted: disk full. Invalid: the SQL. What was written of a failed file
/// is removed.
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
