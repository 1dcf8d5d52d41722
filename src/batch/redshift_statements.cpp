#include "batch/redshift_statements.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "batch/proof.hpp"

namespace millrace::batch {
namespace {

using base::sql_name;
using base::sql_string;
using Guards = LoadStep::Guards;

constexpr std::string_view kStage = "millrace_stage";
constexpr std::string_view kLedger = "millrace_loads";

// A name without a schema is found by a search path that is not ours.
std::string schema_there(const LoadTarget& target) {
  const auto schema = schema_of(target);
  return schema.empty() ? "public" : schema;
}

std::string bare_table(const LoadTarget& target) {
  return target.table.substr(target.table.find('.') + 1);
}

std::string table_there(const LoadTarget& target) {
  return sql_name(schema_there(target)) + "." + sql_name(bare_table(target));
}

std::string ledger_there(const LoadTarget& target) {
  return sql_name(schema_there(target)) + "." + sql_name(kLedger);
}

std::string ledger_rows(const LoadTarget& target, const std::optional<std::string>& key) {
  auto condition = fmt::format("\"pipeline\" = {} AND \"table_name\" = {}",
                               sql_string(target.pipeline), sql_string(target.table));
  if (key) condition += " AND \"partition\" = " + sql_string(*key);
  return condition;
}

std::string column_list(const std::vector<RedshiftColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(sql_name(column.name));
  return base::join(names, ", ");
}

std::string guard(const std::string& holds, const std::string& rows) {
  return fmt::format("SELECT 1 / CASE WHEN {} THEN 1 ELSE 0 END AS \"holds\" FROM {}", holds, rows);
}

// The ledger must be as it was read: another load of the partition did not come between.
LoadStep ledger_guard(const LoadPlan& plan) {
  auto rows = ledger_rows(plan.target, ledger_key(plan.load.partition));
  if (plan.before) {
    rows += fmt::format(" AND \"life\" = {} AND \"mark\" = {} AND \"run_id\" = {}",
                        sql_string(plan.before->mark.life), plan.before->mark.mark,
                        sql_string(plan.before->run_id));
  }
  return {guard(plan.before ? "count(*) = 1" : "count(*) = 0",
                fmt::format("{} WHERE {}", ledger_there(plan.target), rows)),
          Guards::NoOther};
}

std::string equals(const std::string& expression, const std::optional<std::string>& value) {
  if (!value) return expression + " IS NULL";
  const auto dot = value->find('.');
  const auto scale = dot == std::string::npos ? 0 : value->size() - dot - 1;
  return fmt::format("{} = CAST({} AS DECIMAL(38,{}))", expression, sql_string(*value), scale);
}

void add_proof(const LoadPlan& plan, std::vector<LoadStep>& steps) {
  const auto rows = fmt::format("{} WHERE {}", table_there(plan.target),
                                rows_of(plan.target, plan.load.partition));
  const auto parts = proof_parts(plan.target, Dialect::Redshift);
  steps.push_back({guard(equals(parts[0].sql, plan.proof[0]), rows), Guards::Count});
  std::vector<std::string> sums;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    sums.push_back(equals(parts[i].sql, plan.proof[i]));
  }
  if (!sums.empty()) steps.push_back({guard(base::join(sums, " AND "), rows), Guards::Sums});
}

// The statements that bring the files' rows into the table.
void add_rows(const LoadPlan& plan, std::vector<LoadStep>& steps) {
  std::vector<std::string> staged, values;
  for (const auto& column : plan.columns) {
    const auto name = sql_name(column.name);
    staged.push_back(name + " " + redshift_text_of(column.staged));
    values.push_back(is_super(column) ? fmt::format("JSON_PARSE({})", name)
                     : column.staged.type == "timestamp"
                         ? fmt::format("{} AT TIME ZONE 'UTC'", name)
                         : name);
  }
  const auto stage = sql_name(kStage);
  const auto role = plan.staged.role == "default" ? "default" : sql_string(plan.staged.role);
  steps.push_back({fmt::format("CREATE TEMPORARY TABLE {} ({})", stage, base::join(staged, ", "))});
  steps.push_back({fmt::format("COPY {} FROM {} IAM_ROLE {} FORMAT AS PARQUET MANIFEST", stage,
                               sql_string(plan.staged.manifest), role)});
  steps.push_back({fmt::format("INSERT INTO {} ({}) SELECT {} FROM {}", table_there(plan.target),
                               column_list(plan.columns), base::join(values, ", "), stage)});
  steps.push_back({fmt::format("DROP TABLE {}", stage)});
}

void add_ledger(const LoadPlan& plan, std::vector<LoadStep>& steps) {
  const auto& [target, columns, load, before, staged, proof, at] = plan;
  const auto key = ledger_key(load.partition);
  steps.push_back(
      {fmt::format("DELETE FROM {} WHERE {}", ledger_there(target), ledger_rows(target, key))});
  steps.push_back({fmt::format(
      "INSERT INTO {} (\"pipeline\", \"table_name\", \"partition\", \"life\", "
      "\"mark\", \"run_id\", \"rows\", \"loaded_at\") VALUES ({}, {}, {}, {}, {}, "
      "{}, {}, CAST({} AS TIMESTAMPTZ))",
      ledger_there(target), sql_string(target.pipeline), sql_string(target.table), sql_string(key),
      sql_string(load.mark.life), load.mark.mark, sql_string(load.run_id), proof[0].value_or("0"),
      sql_string(base::format_time(at)))});
}

}  // namespace

std::string catalogue_query(const LoadTarget& target) {
  return fmt::format(
      "SELECT \"table_name\", \"column_name\", \"data_type\", \"character_maximum_length\", "
      "\"numeric_precision\", \"numeric_scale\" FROM \"svv_columns\" WHERE \"table_schema\" = {} "
      "AND \"table_name\" IN ({}, {})",
      sql_string(schema_there(target)), sql_string(bare_table(target)), sql_string(kLedger));
}

std::string ledger_query(const LoadTarget& target, const std::optional<std::string>& key) {
  return fmt::format(
      "SELECT \"partition\", \"life\", \"mark\", \"run_id\", \"rows\" FROM {} WHERE {}",
      ledger_there(target), ledger_rows(target, key));
}

std::string proof_query(const LoadTarget& target, const std::optional<Partition>& only) {
  return partition_proofs_query(target, proof_parts(target, Dialect::Redshift), table_there(target),
                                only);
}

std::string make_schema(const std::string& schema) {
  return "CREATE SCHEMA IF NOT EXISTS " + sql_name(schema);
}

std::string make_ledger(const LoadTarget& target) {
  return fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (\"pipeline\" VARCHAR(256), \"table_name\" VARCHAR(256), "
      "\"partition\" VARCHAR(64), \"life\" VARCHAR(64) NOT NULL, \"mark\" BIGINT NOT NULL, "
      "\"run_id\" VARCHAR(64), \"rows\" BIGINT, \"loaded_at\" TIMESTAMPTZ) DISTSTYLE ALL",
      ledger_there(target));
}

std::string clear_ledger(const LoadTarget& target) {
  return fmt::format("DELETE FROM {} WHERE {}", ledger_there(target), ledger_rows(target, {}));
}

std::string make_table(const LoadTarget& target, const std::vector<RedshiftColumn>& columns) {
  std::vector<std::string> list;
  for (const auto& column : columns) {
    list.push_back(sql_name(column.name) + " " + redshift_text_of(column.type));
  }
  auto sql = fmt::format("CREATE TABLE IF NOT EXISTS {} ({})", table_there(target),
                         base::join(list, ", "));
  // Where rows are found by the partition: the loads themselves, and most who ask.
  std::vector<std::string> sort_key;
  if (!target.partition_column.empty()) sort_key.push_back(target.partition_column);
  if (target.redshift) {
    const auto& [keys, dist_key, dist_style, lengths] = *target.redshift;
    if (!keys.empty()) sort_key = keys;
    if (!dist_key.empty()) sql += fmt::format(" DISTKEY ({})", sql_name(dist_key));
    if (!dist_style.empty()) sql += fmt::format(" DISTSTYLE {}", dist_style);
  }
  for (auto& name : sort_key) name = sql_name(name);
  if (!sort_key.empty()) sql += fmt::format(" SORTKEY ({})", base::join(sort_key, ", "));
  return sql;
}

std::string add_column(const LoadTarget& target, const RedshiftColumn& column) {
  return fmt::format("ALTER TABLE {} ADD COLUMN {} {}", table_there(target), sql_name(column.name),
                     redshift_text_of(column.type));
}

std::string widen_text(const LoadTarget& target, const RedshiftColumn& column) {
  return fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE {}", table_there(target),
                     sql_name(column.name), redshift_text_of(column.type));
}

std::vector<LoadStep> load_steps(const LoadPlan& plan) {
  std::vector<LoadStep> steps;
  // Loads of one warehouse go one after the other from here on: what Redshift would otherwise find
  // out at COMMIT, and undo.
  steps.push_back({fmt::format("LOCK {}", ledger_there(plan.target))});
  steps.push_back(ledger_guard(plan));
  steps.push_back({fmt::format("DELETE FROM {} WHERE {}", table_there(plan.target),
                               rows_of(plan.target, plan.load.partition))});
  if (!plan.staged.manifest.empty()) add_rows(plan, steps);
  add_proof(plan, steps);
  add_ledger(plan, steps);
  return steps;
}

}  // namespace millrace::batch
