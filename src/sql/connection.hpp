#pragma once

#include <duckdb.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "sql/chunk.hpp"
#include "sql/value.hpp"

namespace millrace::sql {

/// The rows of a running or finished statement, chunk by chunk.
class Rows {
 public:
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&&) = delete;
  ~Rows();

  const std::vector<Column>& columns() const { return columns_; }
  /// The next rows, at most kChunkRows, flat; none after the last.
  /// Errors  as `Connection::query`; Cancelled after `interrupt`.
  base::Result<std::optional<Chunk>> next();
  /// The Arrow options of the result, for conversion of its chunks.
  duckdb_arrow_options arrow_options();

 private:
  friend class Statement;
  friend class Connection;
  explicit Rows(duckdb_result result);
  duckdb_result result_;
  bool is_owner_ = true;
  std::vector<Column> columns_;
};

enum class StatementKind : std::uint8_t { Select, Explain, Other };
enum class Fetch : std::uint8_t {
  Materialised,  ///< `execute` runs to the end
  Streamed,      ///< rows are computed as they are asked for, in bounded memory
};

/// A prepared statement. It must not outlive its connection.
/// Threads: one at a time.
class Statement {
 public:
  Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Statement() { duckdb_destroy_prepare(&handle_); }

  StatementKind kind() const;
  /// The columns of the result; empty if it has none.
  std::vector<Column> columns() const;
  std::vector<std::string> parameter_names() const;
  /// Errors  NotFound: no parameter of that name.
  base::Result<void> bind(const std::string& name, const Value& value);
  base::Result<Rows> execute(Fetch fetch = Fetch::Materialised);

 private:
  friend class Connection;
  explicit Statement(duckdb_prepared_statement handle) : handle_(handle) {}
  duckdb_prepared_statement handle_;
};

/// A connection to an instance. Errors of DuckDB come as values: Invalid for what is wrong with the
/// SQL or the data, with place `byte N` where DuckDB names one (see `position_of`); Cancelled after
/// `interrupt`; Exhausted for memory and disk; Unavailable for files.
/// Threads: one at a time, but `interrupt` from any.
class Connection {
 public:
  Connection(Connection&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Connection& operator=(Connection&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Connection() {
    if (handle_) duckdb_disconnect(&handle_);
  }

  /// Prepares exactly one statement.
  base::Result<Statement> prepare(std::string_view sql);
  /// Runs `sql` as it is. Materialised, it is not prepared: DuckDB would plan a statement that
  /// reads files twice, and open them twice. So SQL of users is prepared, or asked for as a stream,
  /// for only that refuses a second statement.
  base::Result<Rows> query(std::string_view sql, Fetch fetch = Fetch::Materialised);
  /// Runs a statement for its effect.
  base::Result<void> run(std::string_view sql);
  /// The first value of the first row as text; none if NULL or no row.
  base::Result<std::optional<std::string>> scalar(std::string_view sql);
  /// The tables that the SELECT `sql` names, without those it defines itself (WITH), each once; it
  /// may have parameters. Errors  Invalid: not one SELECT.
  base::Result<std::vector<std::string>> table_names(std::string_view sql);

  void interrupt() { duckdb_interrupt(handle_); }
  duckdb_connection handle() const { return handle_; }

 private:
  friend class Instance;
  explicit Connection(duckdb_connection handle) : handle_(handle) {}
  duckdb_connection handle_;
};

/// The byte of the SQL text that an error is about, if it says so.
std::optional<std::size_t> position_of(const base::Error& error);

}  // namespace millrace::sql
