#include <fmt/format.h>

#include "base/text.hpp"
#include "batch/postgres_columns.hpp"
#include "batch/proof.hpp"
#include "batch/warehouse.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using postgres::Connection;

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr std::size_t kNameBytesMax = 63;  // the server cuts longer ones

Error of_column(const std::string& name, const Error& error) {
  return {error.code, fmt::format("column '{}' {}", name, error.message)};
}

class PostgresWarehouse final : public Warehouse {
 public:
  PostgresWarehouse(std::string url, sql::Instance& engine)
      : url_(std::move(url)), engine_(engine) {}

  Result<Ledger> ledger(const LoadTarget& target, const std::stop_token& stop) override {
    auto connection = TRY(connect(stop));
    Ledger ledger;
    const auto name = ledger_name_of(target);
    const auto there =
        TRY(connection->query("SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL",
                              {name, table_name_of(target)}));
    if (there.rows[0][0] != "t") return ledger;
    const auto answer = TRY(connection->query(
        fmt::format("SELECT partition, life, mark FROM {} WHERE pipeline = $1 AND table_name = $2",
                    name),
        {target.pipeline, target.table}));
    for (const auto& row : answer.rows) {
      ledger[row[0].value_or("")] = {row[1].value_or(""), std::stoll(row[2].value_or("0"))};
    }
    return ledger;
  }

  Result<TableSteps> foresee(const LoadTarget& target, const std::stop_token& stop) override {
    TRY(check_names(target));
    const auto connection = TRY(connect(stop));
    auto columns = TRY(columns_of(*connection, table_name_of(target)));
    if (columns.empty()) return TableSteps{.is_new = true};
    return TableSteps{.columns = TRY(steps_of(target, columns))};
  }

  Result<std::int64_t> load(const LoadTarget& target, const PartitionLoad& load,
                            const std::stop_token& stop) override {
    auto connection = TRY(connect(stop));
    const auto columns = TRY(keep_in_step(*connection, target));
    TRY(connection->query("BEGIN"));
    if (const auto rows = TRY(covered(*connection, target, load))) return *rows;
    TRY(connection->query(fmt::format("DELETE FROM {} WHERE {}", table_name_of(target),
                                      rows_of(target, load.partition))));
    const auto rows = TRY(copy(*connection, target, load, columns));
    TRY(prove(*connection, target, load));
    TRY(connection->query(fmt::format("UPDATE {} SET life = $4, mark = $5, run_id = $6, rows = $7, "
                                      "loaded_at = now() WHERE {}",
                                      ledger_name_of(target), kLedgerRow),
                          ledger_values(target, load, rows)));
    const auto done = connection->query("COMMIT");
    if (done) return rows;
    if (done.error().code != Code::Unavailable) return done.error();
    // The connection was lost while it committed: the ledger says whether it did.
    return TRY(is_done(target, load, stop)) ? Result<std::int64_t>(rows) : done.error();
  }

  Dialect dialect() const override { return Dialect::Postgres; }

  Result<PartitionProofs> measure(const LoadTarget& target, const std::optional<Partition>& only,
                                  const std::stop_token& stop) override {
    const auto connection = TRY(connect(stop));
    auto answer = TRY(connection->query(partition_proofs_query(
        target, proof_parts(target, Dialect::Postgres), table_name_of(target), only)));
    return partition_proofs(std::move(answer.rows));
  }

 private:
  static constexpr std::string_view kLedgerRow =
      "pipeline = $1 AND table_name = $2 AND partition = $3";
  using Columns = std::map<std::string, PostgresColumn>;
  using Values = std::vector<std::optional<std::string>>;

  // By this run, or by whoever loaded the same or a newer result: of one that is loaded again the
  // mark was there before.
  Result<bool> is_done(const LoadTarget& target, const PartitionLoad& load,
                       const std::stop_token& stop) const {
    const auto connection = TRY(connect(stop));
    const auto answer =
        TRY(connection->query(fmt::format("SELECT life, mark, run_id FROM {} WHERE {}",
                                          ledger_name_of(target), kLedgerRow),
                              ledger_key_values(target, load)));
    if (answer.rows.empty()) return false;
    const auto& row = answer.rows[0];
    const LoadMark there{row[0].value_or(""), std::stoll(row[1].value_or("0"))};
    return row[2] == load.run_id || (!load.is_again && there.covers(load.mark));
  }

  Result<std::unique_ptr<Connection>> connect(const std::stop_token& stop) const {
    auto connection = TRY(Connection::open({.url = url_}, stop));
    // A load that says that it is done is durable, whatever the server's setting.
    TRY(connection->query("SET synchronous_commit = on"));
    return connection;
  }

  static Values ledger_key_values(const LoadTarget& target, const PartitionLoad& load) {
    return {target.pipeline, target.table, ledger_key(load.partition)};
  }
  static Values ledger_values(const LoadTarget& target, const PartitionLoad& load,
                              std::int64_t rows) {
    auto values = ledger_key_values(target, load);
    values.insert(values.end(), {load.mark.life, std::to_string(load.mark.mark), load.run_id,
                                 std::to_string(rows)});
    return values;
  }

  // Makes the tables and gives them the columns that they lack; one at a time, or two who begin at
  // once would both make them.
  static Result<Columns> keep_in_step(Connection& connection, const LoadTarget& target) {
    const auto name = table_name_of(target);
    TRY(check_names(target));
    TRY(connection.query("BEGIN"));
    TRY(connection.query("SELECT pg_advisory_xact_lock(hashtext('millrace_loads'))"));
    TRY(make_ledger(connection, target));
    auto columns = TRY(columns_of(connection, name));
    if (columns.empty()) {
      // One that was there before is gone, and its rows with it.
      TRY(connection.query(fmt::format("DELETE FROM {} WHERE pipeline = $1 AND table_name = $2",
                                       ledger_name_of(target)),
                           {target.pipeline, target.table}));
      TRY(make_table(connection, target));
      columns = TRY(columns_of(connection, name));
    }
    std::vector<std::string> changes;
    for (const auto& step : TRY(steps_of(target, columns))) {
      changes.push_back(fmt::format("{} {}{} {}", step.is_new ? "ADD COLUMN" : "ALTER COLUMN",
                                    base::sql_name(step.column), step.is_new ? "" : " TYPE",
                                    step.type));
    }
    if (!changes.empty()) {
      TRY(connection.query(fmt::format("ALTER TABLE {} {}", name, base::join(changes, ", "))));
    }
    TRY(connection.query("COMMIT"));
    return columns;
  }

  // What `columns` lack; they have it then.
  static Result<std::vector<ColumnStep>> steps_of(const LoadTarget& target, Columns& columns) {
    std::vector<ColumnStep> steps;
    for (const auto& column : target.columns) {
      const auto wanted = column_for(column.type);
      const auto there = columns.find(column.name);
      if (there == columns.end()) {
        steps.push_back({column.name, text_of(wanted), true});
        columns[column.name] = wanted;
        continue;
      }
      const auto wider = widened(there->second, wanted);
      if (!wider) return of_column(column.name, wider.error());
      if (!*wider) continue;
      steps.push_back({column.name, text_of(**wider), false});
      there->second = **wider;
    }
    return steps;
  }

  static Result<void> check_names(const LoadTarget& target) {
    for (const auto& [name, type] : target.columns) {
      if (name.size() <= kNameBytesMax) continue;
      return of_column(name,
                       {Code::Invalid, fmt::format("has a name of {} bytes; PostgreSQL's have "
                                                   "{} at most: give it a shorter one in "
                                                   "the job's SQL",
                                                   name.size(), kNameBytesMax)});
    }
    return {};
  }

  static Result<void> make_ledger(Connection& connection, const LoadTarget& target) {
    const auto name = ledger_name_of(target);
    const auto there = TRY(connection.query("SELECT to_regclass($1) IS NOT NULL", {name}));
    if (there.rows[0][0] == "t") return {};
    if (const auto schema = schema_of(target); !schema.empty()) {
      TRY(connection.query("CREATE SCHEMA IF NOT EXISTS " + base::sql_name(schema)));
    }
    TRY(connection.query(fmt::format(
        "CREATE TABLE {} (pipeline text, table_name text, partition text, life text NOT NULL, mark "
        "bigint NOT NULL, run_id text, rows bigint, loaded_at timestamptz, PRIMARY KEY (pipeline, "
        "table_name, partition))",
        name)));
    return {};
  }

  static Result<void> make_table(Connection& connection, const LoadTarget& target) {
    std::vector<std::string> columns;
    for (const auto& column : target.columns) {
      columns.push_back(base::sql_name(column.name) + " " + text_of(column_for(column.type)));
    }
    const auto name = table_name_of(target);
    TRY(connection.query(fmt::format("CREATE TABLE {} ({})", name, base::join(columns, ", "))));
    if (target.partition_column.empty()) return {};
    TRY(connection.query(
        fmt::format("CREATE INDEX ON {} ({})", name, base::sql_name(target.partition_column))));
    return {};
  }

  // Takes the ledger's row, for which others wait from now on. How many rows there are, if the
  // partition is there already; the transaction is over then.
  static Result<std::optional<std::int64_t>> covered(Connection& connection,
                                                     const LoadTarget& target,
                                                     const PartitionLoad& load) {
    const auto name = ledger_name_of(target);
    const auto key = ledger_key_values(target, load);
    TRY(connection.query(fmt::format("INSERT INTO {} (pipeline, table_name, partition, life, mark) "
                                     "VALUES ($1, $2, $3, '', 0) ON CONFLICT DO NOTHING",
                                     name),
                         key));
    const auto answer = TRY(connection.query(
        fmt::format("SELECT life, mark, coalesce(rows, 0) FROM {} WHERE {} FOR UPDATE", name,
                    kLedgerRow),
        key));
    if (answer.rows.empty()) {
      return Error{Code::Unavailable, "the ledger's row was removed in this moment"};
    }
    const auto& row = answer.rows[0];
    const LoadMark there{row[0].value_or(""), std::stoll(row[1].value_or("0"))};
    if (load.is_again || !there.covers(load.mark)) return std::optional<std::int64_t>();
    TRY(connection.query("ROLLBACK"));
    return std::optional<std::int64_t>(std::stoll(row[2].value_or("0")));
  }

  Result<std::int64_t> copy(Connection& connection, const LoadTarget& target,
                            const PartitionLoad& load, const Columns& columns) {
    auto reader = TRY(engine_.connect());
    std::vector<std::string> names;
    std::vector<CellWriter> writers;
    for (const auto& column : target.columns) {
      names.push_back(base::sql_name(column.name));
      writers.emplace_back(column.type, columns.at(column.name));
    }
    auto rows = TRY(reader.query(load.select, sql::Fetch::Streamed));
    postgres::BinaryCopy out;
    bool is_ended = false;
    std::optional<sql::Chunk> chunk;
    return connection.copy_in(fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)",
                                          table_name_of(target), base::join(names, ", ")),
                              [&, is_first = true]() mutable -> Result<std::string_view> {
                                if (!std::exchange(is_first, false)) out.clear();
                                while (!is_ended && out.size() < kPieceBytes) {
                                  chunk = TRY(rows.next());
                                  if (chunk) {
                                    append(*chunk, writers, out);
                                  } else {
                                    out.end();
                                    is_ended = true;
                                  }
                                }
                                return out.view();
                              });
  }

  static void append(const sql::Chunk& chunk, const std::vector<CellWriter>& writers,
                     postgres::BinaryCopy& out) {
    std::vector<sql::Vector> columns;
    for (std::size_t i = 0; i < writers.size(); ++i) columns.push_back(chunk.column(i));
    for (std::size_t row = 0; row < chunk.row_count(); ++row) {
      out.row(writers.size());
      for (std::size_t i = 0; i < writers.size(); ++i) writers[i].write(columns[i], row, out);
    }
  }

  // What came out there, within the transaction, against the lake.
  Result<void> prove(Connection& connection, const LoadTarget& target,
                     const PartitionLoad& load) const {
    auto parts = proof_parts(target, Dialect::Postgres);
    parts.pop_back();  // the checksum comes after COMMIT: it holds no locks
    const auto answer =
        TRY(connection.query(fmt::format("SELECT {} FROM {} WHERE {}", proof_list(parts),
                                         table_name_of(target), rows_of(target, load.partition))));
    const auto& there = answer.rows[0];
    const auto here = TRY(proof_here(engine_, parts, load.select));
    const auto differs = difference(parts, here, there);
    if (differs.empty()) return {};
    return Error{Code::Invalid,
                 differs + "; something there changes rows as they come, like a trigger"};
  }

  const std::string url_;
  sql::Instance& engine_;
};

}  // namespace

std::unique_ptr<Warehouse> make_postgres_warehouse(std::string url, sql::Instance& engine) {
  return std::make_unique<PostgresWarehouse>(std::move(url), engine);
}

}  // namespace millrace::batch
