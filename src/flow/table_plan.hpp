#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/pipeline.hpp"
#include "flow/batch_relation.hpp"
#include "sql/instance.hpp"

namespace millrace::flow {

/// A lookup as a table's plan needs it.
struct LookupShape {
  std::string name;
  sql::Type type;  ///< its struct
};

/// A table of the pipeline, ready to run: its statements are prepared and its output columns known.
/// Threads: one at a time (the connection and the relation are its own).
struct TablePlan {
  config::Table table;
  std::vector<sql::Column> input;  ///< of the source or parent table, position columns included
  std::vector<std::size_t>
      key_columns;                  ///< for each lookup: the input column that it is matched by
  std::vector<sql::Column> output;  ///< what the table stores
  std::vector<std::size_t> partition_columns;    ///< in `output`
  std::optional<std::size_t> unique_column;      ///< in `output`
  std::optional<std::size_t> event_time_column;  ///< in `output`; absent: _received_at counts
  std::size_t shard_column = 0;        ///< in `output`; offset, row and received_at follow it
  std::size_t input_shard_column = 0;  ///< in `input`; offset follows it

  std::unique_ptr<sql::Connection> connection;
  std::shared_ptr<BatchRelation> relation;  ///< input and lookup columns
  std::optional<sql::Statement> checks;     ///< a BOOLEAN column for each expectation
  std::optional<sql::Statement> select;
};

/// The relations that plans read, by name: the finder of the table function `batch`.
/// Threads: one at a time.
class BatchRelations {
 public:
  void add(const std::string& name, std::shared_ptr<BatchRelation> relation) {
    relations_[name] = std::move(relation);
  }
  base::Result<std::shared_ptr<sql::ScanTable>> find(std::string_view name) const;

 private:
  std::map<std::string, std::shared_ptr<BatchRelation>, std::less<>> relations_;
};

struct PlanInput {
  std::vector<sql::Column> columns;       ///< of what the table reads from
  std::vector<LookupShape> lookups;       ///< in the order of the table's lookups
  std::optional<std::string> event_time;  ///< the source's event time column
};

struct PlannedTable {
  TablePlan plan;                   ///< can run if there are no errors
  std::vector<base::Error> errors;  ///< all that are wrong, each with its place in the file
  bool has_columns = false;         ///< `plan.output` is what the table would store, errors or not
};

/// Prepares `table`: checks its expectations and SQL, in all their places, and finds its columns.
/// `worker` must have the table function `batch` over `relations`.
PlannedTable plan_table(const config::Table& table, const PlanInput& input, sql::Instance& worker,
                        BatchRelations& relations);

/// An error of SQL with its place in the pipeline file instead of its byte. Without a byte it is
/// the first name that the message quotes and the SQL has; without one, the SQL's start.
base::Error placed(const base::Error& error, const config::SqlText& text);

}  // namespace millrace::flow
