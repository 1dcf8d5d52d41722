#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "lake/actions.hpp"
#include "os/disk.hpp"

namespace millrace::lake {

using Files = std::vector<std::shared_ptr<const AddFile>>;

/// A table at one version. Never changes; the next version is a new one that shares its files'
/// entries.
struct Snapshot {
  base::TableVersion version{-1};
  std::int64_t timestamp_ms = 0;
  Protocol protocol;
  std::shared_ptr<const Metadata> metadata;
  std::map<std::string, std::shared_ptr<const AddFile>> files;  ///< by path
  std::map<std::string, std::int64_t> transactions;             ///< app id -> version
  std::map<std::string, RemoveFile> tombstones;                 ///< by path

  /// This snapshot after `commit`.
  std::shared_ptr<const Snapshot> after(const Commit& commit) const;

  std::int64_t record_count() const;  ///< -1 if a file does not say
  std::int64_t bytes() const;
  std::optional<std::int64_t> transaction(const std::string& app_id) const;
  /// The files of one partition.
  Files files_of(const PartitionValues& partition) const;
};

/// SQL that gives the rows of all `selects`, each of which gives the columns of `schema` in their
/// order. What names no column, as count(*), reads none: of a plain UNION DuckDB reads the first.
std::string union_sql(const Schema& schema, const std::vector<std::string>& selects);

/// The columns that were added after the table was made, in their order.
std::vector<std::string> added_columns(const Metadata& metadata);

/// A data file as it is scanned.
struct ScanFile {
  os::Path path;
  bool may_lack_columns = false;  ///< some of `added_columns`
};
/// `path` is where the file is read; `added` are the table's added columns.
ScanFile scan_file(os::Path path, const AddFile& file, const std::vector<std::string>& added);

/// SQL, without parentheses, that gives the rows of `files` with all of the table's columns in
/// their order and types; partition columns come from the folders' names, so that a filter on them
/// skips whole files.
std::string scan_sql(const os::Path& root, const Metadata& metadata, const Files& files);
/// The same, for files that are read elsewhere.
std::string scan_sql(const std::vector<ScanFile>& files, const Metadata& metadata);
/// The same for all files of a snapshot.
std::string scan_sql(const os::Path& root, const Snapshot& snapshot);

}  // namespace millrace::lake
