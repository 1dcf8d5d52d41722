#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace millrace::postgres {

struct ConnectionOptions {
  std::string url;  ///< `postgres://user:password@host:port/database?option=value`
  std::chrono::seconds connect_deadline{10};
};

/// A column of an answer, its type as the server's catalogue numbers it.
struct Column {
  std::string name;
  std::uint32_t type = 0;
  std::int32_t modifier = -1;  ///< precision and scale of a numeric; -1: none
};

/// The rows of an answer, as texts; none is NULL.
struct Answer {
  std::vector<Column> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::int64_t affected = 0;  ///< rows that an INSERT, DELETE, UPDATE or COPY touched
};

/// A connection to a PostgreSQL server. After an error `Unavailable` it may be lost: open another.
/// Errors are mapped by `code_of`; a stop that was asked for is Cancelled.
/// Threads: one at a time.
class Connection {
 public:
  /// Errors  Invalid: the address. Denied: user or password. NotFound: no such database.
  /// Unavailable: nobody answers there.
  static base::Result<std::unique_ptr<Connection>> open(const ConnectionOptions& options,
                                                        std::stop_token stop = {});
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// One statement; `$1` and so on are `parameters`.
  base::Result<Answer> query(const std::string& sql,
                             const std::vector<std::optional<std::string>>& parameters = {});

  /// `COPY … FROM STDIN`: sends what `next` gives until it is empty. An error of `next` undoes it.
  /// Shape   how many rows were copied.
  using Next = std::function<base::Result<std::string_view>()>;
  base::Result<std::int64_t> copy_in(const std::string& sql, const Next& next);

  /// `COPY … TO STDOUT`: hands each piece, a whole row, to `take`.
  using Take = std::function<base::Result<void>(std::string_view)>;
  base::Result<void> copy_out(const std::string& sql, const Take& take);

 private:
  struct Handle;
  Connection(std::unique_ptr<Handle> handle, std::stop_token stop);

  base::Result<void> connect();
  base::Result<void> wait(bool to_write);
  base::Result<void> flush();
  base::Result<void> begin(const std::string& sql,
                           const std::vector<std::optional<std::string>>& parameters);
  base::Result<void> begin_copy(const std::string& sql, int status);
  base::Result<Answer> finish();
  void drain();
  base::Error cancelled();
  base::Error lost() const;

  const std::unique_ptr<Handle> handle_;
  const std::stop_token stop_;
};

}  // namespace millrace::postgres
