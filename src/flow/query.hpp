#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flow/cut_board.hpp"
#include "flow/slice.hpp"
#include "lake/file_cache.hpp"
#include "sql/instance.hpp"

namespace millrace::flow {

/// Makes each table of `tables` readable on `connection` under its name: committed rows only, of
/// exactly these versions.
base::Result<void> define_views(sql::Connection& connection,
                                const std::map<std::string, TableCut>& tables);

struct QueryEngineOptions {
  int threads = 2;
  std::uint64_t memory_bytes_max = std::uint64_t{256} << 20;
  os::Path scratch;                  ///< where large queries spill
  std::vector<os::Path> readable;    ///< the folders of the tables
  lake::FileCache* cache = nullptr;  ///< copies of their files; its folder is readable
  os::Path httpfs;                   ///< with which DuckDB reads `s3://`; empty: it does not
  std::string ca_file;               ///< whom it trusts then; empty: the system's certificates
  std::string time_zone = "UTC";
  std::size_t queries_max = 16;  ///< at once
};

class QueryEngine;

/// A slice as it is in a cut.
struct Seen {
  std::shared_ptr<const Cut> cut;
  std::string table;
  lake::Files files;
  /// While it is the same, so is the answer of the SELECT, if the slice is all that it reads.
  std::string mark;
};

/// A running query. It must not outlive its engine.
/// Threads: one at a time, but `interrupt` from any.
class Query {
 public:
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  /// Runs it, until it knows its first rows. Once, before all that follows.
  /// Errors  as `next`.
  base::Result<void> execute();
  const std::vector<sql::Column>& columns() const { return rows_->columns(); }
  /// The next rows; none after the last.
  /// Errors  Invalid: the data make the SQL fail. Cancelled: after `interrupt`. Exhausted: memory.
  base::Result<std::optional<sql::Chunk>> next() { return rows_->next(); }
  void interrupt() { connection_->interrupt(); }
  sql::Rows& rows() { return *rows_; }
  /// The tables that it reads, and the versions that it sees them at.
  const std::map<std::string, base::TableVersion>& versions() const { return versions_; }
  const Editions& editions() const { return editions_; }

 private:
  friend class QueryEngine;
  Query(QueryEngine& engine, std::string ticket) : engine_(engine), ticket_(std::move(ticket)) {}

  QueryEngine& engine_;
  const std::string ticket_;
  lake::Pins pins_;  // of copies that the statement reads
  std::unique_ptr<sql::Connection> connection_;
  std::optional<sql::Statement> statement_;
  std::optional<sql::Rows> rows_;
  std::map<std::string, base::TableVersion> versions_;
  Editions editions_;
};

/// Users' SQL, in a locked-down DuckDB of its own: SELECT only, over the tables as they are at one
/// moment, committed and hot rows together.
/// Threads: safe from any.
class QueryEngine {
 public:
  static base::Result<std::unique_ptr<QueryEngine>> open(const QueryEngineOptions& options,
                                                         const CutBoard& board);

  /// Starts `sql`, one SELECT; rows are computed as they are asked for.
  /// Errors  Invalid: not one SELECT, wrong SQL (place `byte N`), or a wrong or missing parameter.
  ///         Exhausted: too many queries at once.
  base::Result<std::unique_ptr<Query>> start(std::string_view sql,
                                             const Parameters& parameters = {});
  /// The same, but does not run it yet: so that it can be interrupted from its beginning. `seen`,
  /// if given, is the one slice of `sql` with these parameters: then the query reads that.
  base::Result<std::unique_ptr<Query>> prepare(std::string_view sql, const Parameters& parameters,
                                               const Seen* seen = nullptr);
  /// Looks at a slice in `cut`.
  /// Errors  as `start`; those of `rows_of`: it cannot be told.
  base::Result<Seen> look(const Slice& slice, const Parameters& parameters,
                          std::shared_ptr<const Cut> cut);
  /// Reads tables on S3 as `access` says from now on.
  base::Result<void> read_s3(const sql::S3Access& access) { return instance_->read_s3(access); }
  /// To look at SQL, not to run it.
  base::Result<sql::Connection> connect() const { return instance_->connect(); }
  /// The columns that `sql` would give, without running it.
  base::Result<std::vector<sql::Column>> describe(std::string_view sql);

 private:
  friend class Query;

  QueryEngine(const QueryEngineOptions& options, const CutBoard& board)
      : options_(options), board_(board) {}
  /// One that has its cut, but no statement yet.
  base::Result<std::unique_ptr<Query>> open_query(std::shared_ptr<const Cut> cut);
  base::Result<std::unique_ptr<Query>> prepare_unbound(std::string_view sql,
                                                       const Parameters& parameters,
                                                       const Seen* seen);
  base::Result<void> show_tables(Query& query, std::string_view sql, const Parameters& parameters,
                                 const Cut& cut);
  base::Result<void> show_table(Query& query, const std::string& name, const TableCut& table,
                                const std::optional<lake::Files>& files);
  base::Result<std::shared_ptr<sql::ScanTable>> find_hot(std::string_view argument);
  void forget(const std::string& ticket);

  const QueryEngineOptions options_;
  const CutBoard& board_;
  std::unique_ptr<sql::Instance> instance_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Cut>, std::less<>> cuts_;  // Guarded by mutex_.
  std::uint64_t ticket_next_ = 0;                                        // Guarded by mutex_.
};

}  // namespace millrace::flow
