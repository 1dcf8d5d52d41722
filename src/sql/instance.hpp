#pragma once

#include <duckdb.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sql/connection.hpp"

namespace millrace::sql {

struct InstanceOptions {
  int threads = 1;
  std::uint64_t memory_bytes_max = std::uint64_t{256} << 20;
  std::filesystem::path scratch;  ///< where it may spill; empty: nowhere
  std::uint64_t scratch_bytes_max = std::uint64_t{10} << 30;
  std::string time_zone = "UTC";
  bool keeps_order = true;  ///< results in the order of their input
  /// The folders that SQL may read, on disk or `s3://bucket/prefix`. Unused unless locked.
  std::vector<std::filesystem::path> readable;
  /// DuckDB's own extension that reads `s3://`, as a file; empty: no such paths are read.
  std::filesystem::path httpfs;
  std::string ca_file;  ///< certificates that it trusts, PEM; empty: the system's
  /// Locked: no files but the readable ones, no extensions, no settings: fit for users' SQL.
  bool is_locked = false;
};

/// How files below `scope` on S3 are read.
struct S3Access {
  std::string scope;  ///< `s3://bucket/prefix`
  std::string key_id;
  std::string secret;
  std::string session_token;
  std::string region;
  std::string endpoint;     ///< `host:port`
  bool is_in_path = false;  ///< the bucket, instead of in the host
  bool is_tls = true;

  bool operator==(const S3Access&) const = default;
};

/// What one call of a table function's scan gives: some rows of a chunk.
struct ScanPart {
  std::shared_ptr<const Chunk> chunk;
  const Selection* rows = nullptr;  ///< null: all; must live as long as the scan
};

/// One run over a table function's rows.
/// Threads: `next` from several at once, if `threads_max` allows it.
class Scan {
 public:
  virtual ~Scan() = default;
  /// The next part; false after the last one.
  virtual bool next(ScanPart& part) = 0;
  virtual std::size_t threads_max() const { return 1; }
};

/// What a table function was bound to: it lives as long as the statement. A prepared statement that
/// runs again asks for a new scan each time, and so sees new rows.
class ScanTable {
 public:
  virtual ~ScanTable() = default;
  virtual const std::vector<Column>& columns() const = 0;
  virtual std::unique_ptr<Scan> scan() = 0;
  /// About how many rows there are, for the planner; 0: unknown.
  virtual std::uint64_t row_count() const { return 0; }
};

/// Finds what `name('argument')` means, when a statement is prepared.
using ScanTableFinder =
    std::function<base::Result<std::shared_ptr<ScanTable>>(std::string_view argument)>;

/// One DuckDB of our own in this process: its threads, its memory limit, its settings. In memory:
/// it stores nothing. Threads: safe from any; each connection one at a time.
class Instance {
 public:
  static base::Result<std::unique_ptr<Instance>> open(const InstanceOptions& options);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance();

  base::Result<Connection> connect();

  /// Makes `SELECT … FROM name('argument')` give the chunks of what `finder` finds, by reference.
  /// Before the first statement that uses it. A scan's chunks may come from another instance, which
  /// must outlive them.
  base::Result<void> add_table_function(const std::string& name, ScanTableFinder finder);

  /// Reads S3 as `access` says from now on, in place of what was said before; files that are being
  /// read go on as they began. The instance must have `httpfs`.
  base::Result<void> read_s3(const S3Access& access);

 private:
  explicit Instance(duckdb_database handle) : handle_(handle) {}
  duckdb_database handle_;
};

}  // namespace millrace::sql
