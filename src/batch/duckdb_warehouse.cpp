#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "batch/proof.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;

/// The file is attached to a connection's instance while this lives.
class Attached {
 public:
  static Result<std::unique_ptr<Attached>> open(const std::filesystem::path& path,
                                                sql::Instance& engine) {
    auto attached = std::make_unique<Attached>(TRY(engine.connect()));
    const auto done = attached->connection.run(
        fmt::format("ATTACH {} AS millrace_warehouse", base::sql_string(path.string())));
    // Mostly another process that has it open; whatever it is, it may pass.
    if (!done) return Error{Code::Unavailable, done.error().message, path.string()};
    attached->is_attached = true;
    TRY(attached->connection.run("USE millrace_warehouse"));
    return attached;
  }
  explicit Attached(sql::Connection&& connection_) : connection(std::move(connection_)) {}
  ~Attached() {
    if (!is_attached) return;
    (void)connection.run("USE memory").has_value();
    (void)connection.run("DETACH millrace_warehouse").has_value();
  }

  sql::Connection connection;
  bool is_attached = false;
};

class DuckDbWarehouse final : public Warehouse {
 public:
  DuckDbWarehouse(const std::filesystem::path& path, sql::Instance& engine)
      : path_(path), engine_(engine) {}

  Result<Ledger> ledger(const LoadTarget& target, const std::stop_token&) override {
    std::error_code ignored;
    if (!std::filesystem::exists(path_, ignored)) return Ledger();
    const auto file = TRY(Attached::open(path_, engine_));
    return read_ledger(file->connection, target);
  }

  Result<TableSteps> foresee(const LoadTarget& target, const std::stop_token&) override {
    std::error_code ignored;
    if (!std::filesystem::exists(path_, ignored)) return TableSteps{.is_new = true};
    const auto file = TRY(Attached::open(path_, engine_));
    if (!TRY(has_table(file->connection, target))) return TableSteps{.is_new = true};
    return TableSteps{.columns = TRY(steps_of(file->connection, target))};
  }

  Result<std::int64_t> load(const LoadTarget& target, const PartitionLoad& load,
                            const std::stop_token&) override {
    const auto file = TRY(Attached::open(path_, engine_));
    auto& connection = file->connection;
    TRY(connection.run("BEGIN"));
    auto rows = load_within(connection, target, load);
    if (!rows) {
      (void)connection.run("ROLLBACK").has_value();
      return rows;
    }
    TRY(connection.run("COMMIT"));
    return rows;
  }

  Dialect dialect() const override { return Dialect::DuckDb; }

  Result<PartitionProofs> measure(const LoadTarget& target, const std::optional<Partition>& only,
                                  const std::stop_token&) override {
    const auto file = TRY(Attached::open(path_, engine_));
    return read_partition_proofs(
        file->connection, partition_proofs_query(target, proof_parts(target, Dialect::DuckDb),
                                                 table_name_of(target), only));
  }

 private:
  static Result<bool> has_table(sql::Connection& connection, const LoadTarget& target) {
    const auto schema = schema_of(target);
    const auto name = target.table.substr(target.table.find('.') + 1);
    const auto count = TRY(connection.scalar(fmt::format(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND "
        "lower(schema_name) = lower({}) AND lower(table_name) = lower({})",
        schema.empty() ? "current_schema()" : base::sql_string(schema), base::sql_string(name))));
    return count != "0";
  }

  static Result<Ledger> read_ledger(sql::Connection& connection, const LoadTarget& target) {
    Ledger ledger;
    const auto name = ledger_name_of(target);
    if (!TRY(has_table(connection, target))) return ledger;
    auto rows = connection.query(
        fmt::format("SELECT partition, life, mark FROM {} WHERE pipeline = {} AND table_name = {}",
                    name, base::sql_string(target.pipeline), base::sql_string(target.table)));
    if (!rows) {
      const auto there = TRY(connection.scalar(
          "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'millrace_loads'"));
      if (there == "0") return ledger;
      return std::move(rows).error();
    }
    while (const auto chunk = TRY(rows->next())) {
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        const auto text = [&](std::size_t column) {
          return std::string(chunk->column(column).text(row));
        };
        const auto mark = chunk->column(2).data<std::int64_t>()[row];
        ledger.emplace(text(0), LoadMark{.life = text(1), .mark = mark});
      }
    }
    return ledger;
  }

  static Result<std::int64_t> load_within(sql::Connection& connection, const LoadTarget& target,
                                          const PartitionLoad& load) {
    if (const auto schema = schema_of(target); !schema.empty()) {
      TRY(connection.run("CREATE SCHEMA IF NOT EXISTS " + base::sql_name(schema)));
    }
    TRY(connection.run(fmt::format(
        "CREATE TABLE IF NOT EXISTS {} (pipeline VARCHAR, table_name VARCHAR, partition VARCHAR, "
        "life VARCHAR, mark BIGINT, run_id VARCHAR, rows BIGINT, loaded_at TIMESTAMPTZ, PRIMARY "
        "KEY "
        "(pipeline, table_name, partition))",
        ledger_name_of(target))));
    const auto key = ledger_key(load.partition);
    const auto ledger = TRY(read_ledger(connection, target));
    const auto there = ledger.find(key);
    const auto counted = fmt::format("SELECT count(*) FROM {} WHERE {}", table_name_of(target),
                                     rows_of(target, load.partition));
    if (!load.is_again && there != ledger.end() && there->second.covers(load.mark)) {
      return std::stoll(TRY(connection.scalar(counted)).value_or("0"));
    }
    TRY(keep_in_step(connection, target));
    TRY(connection.run(fmt::format("DELETE FROM {} WHERE {}", table_name_of(target),
                                   rows_of(target, load.partition))));
    std::vector<std::string> names;
    for (const auto& column : target.columns) names.push_back(base::sql_name(column.name));
    TRY(connection.run(fmt::format("INSERT INTO {} ({}) {}", table_name_of(target),
                                   base::join(names, ", "), load.select)));
    const auto rows = TRY(connection.scalar(counted)).value_or("0");
    TRY(connection.run(fmt::format(
        "INSERT OR REPLACE INTO {} VALUES ({}, {}, {}, {}, {}, {}, {}, "
        "now())",
        ledger_name_of(target), base::sql_string(target.pipeline), base::sql_string(target.table),
        base::sql_string(key), base::sql_string(load.mark.life), load.mark.mark,
        base::sql_string(load.run_id), rows)));
    return std::stoll(rows);
  }

  // Makes the table, and adds the columns that it lacks. The type of a column is changed to what
  // the lake has if DuckDB takes all values over.
  static Result<void> keep_in_step(sql::Connection& connection, const LoadTarget& target) {
    const auto name = table_name_of(target);
    std::vector<std::string> columns;
    for (const auto& column : target.columns) {
      columns.push_back(base::sql_name(column.name) + " " + column.type.text());
    }
    if (!TRY(has_table(connection, target))) {
      // One that was there before is gone, and its rows with it.
      TRY(connection.run(fmt::format("DELETE FROM {} WHERE pipeline = {} AND table_name = {}",
                                     ledger_name_of(target), base::sql_string(target.pipeline),
                                     base::sql_string(target.table))));
    }
    TRY(connection.run(
        fmt::format("CREATE TABLE IF NOT EXISTS {} ({})", name, base::join(columns, ", "))));
    for (const auto& step : TRY(steps_of(connection, target))) {
      TRY(connection.run(fmt::format(
          "ALTER TABLE {} {} {}{} {}", name, step.is_new ? "ADD COLUMN" : "ALTER COLUMN",
          base::sql_name(step.column), step.is_new ? "" : " TYPE", step.type)));
    }
    return {};
  }

  static Result<std::vector<ColumnStep>> steps_of(sql::Connection& connection,
                                                  const LoadTarget& target) {
    const auto there = TRY(connection.prepare("SELECT * FROM " + table_name_of(target))).columns();
    std::vector<ColumnStep> steps;
    for (const auto& column : target.columns) {
      const auto found = std::ranges::find(there, column.name, &sql::Column::name);
      const bool is_there = found != there.end();
      if (is_there && (found->type == column.type || !TRY(must_widen(connection, *found, column))))
        continue;
      steps.push_back({column.name, column.type.text(), !is_there});
    }
    return steps;
  }

  // False: what is there holds it.
  static Result<bool> must_widen(sql::Connection& connection, const sql::Column& there,
                                 const sql::Column& wanted) {
    if (wanted.type.is_json() && there.type.id() == DUCKDB_TYPE_VARCHAR) return false;
    // DuckDB's own rule: what both cast to without loss.
    const auto both =
        connection.scalar(fmt::format("SELECT typeof(coalesce(CAST(NULL AS {}), CAST(NULL AS {})))",
                                      there.type.text(), wanted.type.text()));
    const bool is_known = both && wanted.type.id() != DUCKDB_TYPE_VARCHAR;
    if (is_known && *both == there.type.text()) return false;
    if (!is_known || *both != wanted.type.text()) {
      return Error{Code::Invalid,
                   fmt::format("column '{}' is {} in the warehouse and would be {} now, and one "
                               "does not hold what the other does; give the job's column another "
                               "name, or drop the table there: it is loaded anew",
                               wanted.name, there.type.text(), wanted.type.text())};
    }
    return true;
  }

  const std::filesystem::path path_;
  sql::Instance& engine_;
};

}  // namespace

std::unique_ptr<Warehouse> make_duckdb_warehouse(const std::filesystem::path& path,
                                                 sql::Instance& engine) {
  return std::make_unique<DuckDbWarehouse>(path, engine);
}

}  // namespace millrace::batch
