#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "lake/data_file.hpp"

namespace millrace::lake {

struct CompactOptions {
  std::int64_t target_bytes = std::int64_t{128} << 20;
  std::size_t files_min = 4;  ///< fewer small files than this in a partition are left alone
  DataFileOptions file;
  sql::Connection* connection = nullptr;  ///< what rewrites; null: one of the table's engine
  /// Called before each file that is written; its error ends the work.
  std::function<base::Result<void>()> before_each = [] { return base::Result<void>(); };
};

struct Compacted {
  std::size_t files_before = 0;
  std::size_t files_after = 0;
  std::int64_t bytes = 0;
  std::size_t partitions_given_up = 0;  ///< where another writer was faster
};

/// Rewrites the small files of each partition into few large ones, rows in the order of their
/// positions. Changes no row. Loses to any other writer: such a partition is left as it is.
base::Result<Compacted> compact(Table& table, const CompactOptions& options = {});

struct VacuumOptions {
  std::chrono::microseconds retention = std::chrono::hours(24 * 7);
  bool is_dry_run = false;
};

struct Vacuumed {
  std::vector<std::string> paths;  ///< relative to the table
  std::int64_t bytes = 0;
};

/// Deletes data files that the table no longer names and that are older than the retention, by the
/// table's own tombstones and by the file's time: what a crash left behind goes too.
base::Result<Vacuumed> vacuum(Table& table, const VacuumOptions& options = {});

}  // namespace millrace::lake
