#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sql/instance.hpp"

namespace millrace::flow {

/// Chunks that never change again: what a query sees of a generation.
using Chunks = std::vector<std::shared_ptr<const sql::Chunk>>;
/// By shard: all rows of records before it are there.
using Reached = std::map<std::int32_t, std::int64_t>;

/// The hot rows of one coming commit. Rows only come in; a query takes `view()`, which stays as it
/// was. Small chunks are merged as they come (each row is copied at most log2(2048) times), so that
/// many tiny micro-batches do not each keep a chunk's memory. Threads: one adds; `view`, `bytes`,
/// `mark_contained_from` from any.
class Generation {
 public:
  explicit Generation(std::vector<sql::Column> columns) : columns_(std::move(columns)) {}

  const std::vector<sql::Column>& columns() const { return columns_; }
  /// Adds rows; the chunk must be flat and of `columns()`.
  void add(sql::Chunk chunk);
  /// Says how far the rows go by now, those of earlier generations included.
  void reach(std::shared_ptr<const Reached> reached);

  /// Says from where on the rows of a shard are here, by the application id under which its table
  /// has the position. The first word counts.
  void begin(const std::string& id, std::int64_t from);

  std::shared_ptr<const Chunks> view() const;
  /// Null: not known.
  std::shared_ptr<const Reached> reached() const;
  std::uint64_t bytes() const;
  std::int64_t row_count() const;

  /// Says how to tell that a snapshot contains these rows: it does if for each application id it
  /// has at least this position. Called before the commit that brings them in; without it none
  /// contains them.
  void mark_contained_from(std::map<std::string, std::int64_t> positions);
  bool is_contained_in(const std::map<std::string, std::int64_t>& positions) const;
  /// True if some rows are in a snapshot with these positions and others may not be: another worker
  /// was faster, and this generation will never be committed.
  bool is_overtaken_in(const std::map<std::string, std::int64_t>& positions) const;
  /// It will never be committed: it is not shown any more.
  void drop() { mark_contained_from({}); }

 private:
  const std::vector<sql::Column> columns_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Chunks> chunks_ = std::make_shared<Chunks>();  // Guarded by mutex_.
  std::shared_ptr<const Reached> reached_;                             // Guarded by mutex_.
  std::uint64_t bytes_ = 0;                                            // Guarded by mutex_.
  std::int64_t row_count_ = 0;                                         // Guarded by mutex_.
  std::optional<std::map<std::string, std::int64_t>> contained_from_;  // Guarded by mutex_.
  std::map<std::string, std::int64_t> begins_;                         // Guarded by mutex_.
};

/// About how many bytes the rows of `chunk` take in memory.
std::uint64_t bytes_of(const sql::Chunk& chunk, const std::vector<sql::Column>& columns);

/// Scans chunks in their order, by reference: a table function's rows.
class ChunksTable final : public sql::ScanTable {
 public:
  ChunksTable(std::vector<sql::Column> columns, std::shared_ptr<const Chunks> chunks);
  const std::vector<sql::Column>& columns() const override { return columns_; }
  std::unique_ptr<sql::Scan> scan() override;
  std::uint64_t row_count() const override { return row_count_; }

 private:
  std::vector<sql::Column> columns_;
  std::shared_ptr<const Chunks> chunks_;
  std::uint64_t row_count_ = 0;
};

}  // namespace millrace::flow
