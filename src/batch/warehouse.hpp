#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "batch/partition.hpp"
#include "config/pipeline.hpp"
#include "lake/table.hpp"
#include "sql/instance.hpp"

namespace millrace::aws {
class Client;
}

namespace millrace::batch {

/// A table of a warehouse that a job's table is loaded into.
struct LoadTarget {
  std::string pipeline;
  std::string table;  ///< `table` or `schema.table`
  lake::Schema columns;
  std::string partition_column;                        ///< empty: the table is one partition
  std::optional<config::RedshiftTable> redshift = {};  ///< how it is made there, if it is said
};

/// Which result of a partition is in the warehouse.
struct LoadMark {
  std::string life;       ///< of the job's table: its id
  std::int64_t mark = 0;  ///< grows with each run of the partition

  /// True if the warehouse that has this needs nothing to have `wanted`.
  bool covers(const LoadMark& wanted) const { return life == wanted.life && mark >= wanted.mark; }
};

/// By partition, as the Delta table has it; `` where there is one only.
using Ledger = std::map<std::string, LoadMark>;

/// One partition to be loaded.
struct PartitionLoad {
  Partition partition;
  LoadMark mark;
  std::string run_id;
  bool is_again = false;  ///< also if the ledger covers it
  std::string select;     ///< gives its rows, with all columns of the target
};

/// How a warehouse says what aggregates it computes.
enum class Dialect : std::uint8_t { DuckDb, Postgres, Redshift };
/// The values of aggregates, as texts; none is NULL.
using ProofValues = std::vector<std::optional<std::string>>;
/// What the rows of each partition say, by `proof_key`; of one without rows nothing.
using PartitionProofs = std::map<std::string, ProofValues>;

/// What must become of a column of a table there before it holds what comes.
struct ColumnStep {
  std::string column;
  std::string type;     ///< in the warehouse's words
  bool is_new = false;  ///< it is added; else its type becomes this wider one
};
/// What must become of a table there.
struct TableSteps {
  bool is_new = false;  ///< there is no such table: it is made
  std::vector<ColumnStep> columns = {};
};

/// A database that gets results of jobs. A load is done once, and as a whole: docs/warehouses.md.
/// Errors  Unavailable: it is down. Denied, Invalid: what the warehouse's owner must mend.
/// Threads: one at a time.
class Warehouse {
 public:
  virtual ~Warehouse() = default;
  /// What is loaded of the target's table; nothing if there is no such table yet.
  virtual base::Result<Ledger> ledger(const LoadTarget& target, const std::stop_token& stop) = 0;
  /// What a load would do to the target's table, as it stands there. Changes nothing.
  /// Errors  Invalid: what would be refused, with the mend.
  virtual base::Result<TableSteps> foresee(const LoadTarget& target,
                                           const std::stop_token& stop) = 0;
  /// Puts the partition's rows in place of those that are there, unless the ledger covers it.
  /// Shape   how many rows the partition has there.
  virtual base::Result<std::int64_t> load(const LoadTarget& target, const PartitionLoad& load,
                                          const std::stop_token& stop) = 0;

  virtual Dialect dialect() const = 0;
  /// What each partition's rows there, or those of one, say to `proof_parts` of the dialect.
  /// Errors  also NotFound, Invalid: the table, or a column of it, is gone.
  virtual base::Result<PartitionProofs> measure(const LoadTarget& target,
                                                const std::optional<Partition>& only,
                                                const std::stop_token& stop) = 0;
};

/// Who asks AWS; it is opened when it is first needed.
/// Errors  no region or no credentials are set.
using OpenAws = std::function<base::Result<aws::Client*>()>;

/// All must outlive the warehouse.
struct WarehouseParts {
  const config::Warehouse& warehouse;
  lake::Tools tools;  ///< its engine reads the lake
  os::Path scratch;   ///< a folder for files on their way, which is made when it is needed
  OpenAws aws;
};
std::unique_ptr<Warehouse> make_warehouse(const WarehouseParts& parts);
std::unique_ptr<Warehouse> make_redshift_warehouse(WarehouseParts parts);
/// `engine` reads the lake; it must outlive the warehouse.
std::unique_ptr<Warehouse> make_postgres_warehouse(std::string url, sql::Instance& engine);
std::unique_ptr<Warehouse> make_duckdb_warehouse(const std::filesystem::path& path,
                                                 sql::Instance& engine);

/// What the ledger calls the partition.
std::string ledger_key(const Partition& partition);
/// The condition that holds for the partition's rows, in any dialect.
std::string rows_of(const LoadTarget& target, const Partition& partition);
/// `schema` of `schema.table`; empty if none is named.
std::string schema_of(const LoadTarget& target);
/// Quoted.
std::string table_name_of(const LoadTarget& target);
std::string ledger_name_of(const LoadTarget& target);

}  // namespace millrace::batch
