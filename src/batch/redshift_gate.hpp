#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "batch/warehouse.hpp"

namespace millrace::batch {

/// A statement that Redshift refused. All of its transaction was undone.
struct Refused {
  std::size_t index = 0;
  base::Error error;
};

/// A way to tell Redshift something.
/// Errors  of all calls: Denied, NotFound, Invalid: what its owner must mend. Unavailable,
/// Exhausted: nothing was done. Unknown: it may have been done, or be under way. Cancelled.
/// Threads: one at a time.
class RedshiftGate {
 public:
  using Rows = std::vector<std::vector<std::optional<std::string>>>;
  virtual ~RedshiftGate() = default;
  /// One statement alone.
  virtual base::Result<Rows> query(const std::string& sql) = 0;
  /// All statements, in one transaction. Shape   none: all was done.
  virtual base::Result<std::optional<Refused>> transact(std::span<const std::string> sql) = 0;
};

/// Redshift as the warehouse says: by HTTP, or by PostgreSQL's protocol. `parts` and `client` must
/// outlive it.
/// Errors  also those of `postgres::Connection::open`.
base::Result<std::unique_ptr<RedshiftGate>> open_redshift_gate(const WarehouseParts& parts,
                                                               aws::Client& client,
                                                               std::stop_token stop);

}  // namespace millrace::batch
