#include "batch/warehouse.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace millrace::batch {
namespace {

bool has_exact_sum(const sql::Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_DECIMAL:
      return true;
    default:
      return false;
  }
}

std::string in_schema_of(const LoadTarget& target, const std::string& table) {
  const auto schema = schema_of(target);
  return schema.empty() ? base::sql_name(table)
                        : base::sql_name(schema) + "." + base::sql_name(table);
}

}  // namespace

std::string ledger_key(const Partition& partition) {
  return value_of(partition);
}

std::string rows_of(const LoadTarget& target, const Partition& partition) {
  if (target.partition_column.empty()) return "true";
  return fmt::format("{} = {}", base::sql_name(target.partition_column), literal_of(partition));
}

std::string schema_of(const LoadTarget& target) {
  const auto dot = target.table.find('.');
  return dot == std::string::npos ? "" : target.table.substr(0, dot);
}

std::string table_name_of(const LoadTarget& target) {
  return in_schema_of(target, target.table.substr(target.table.find('.') + 1));
}

std::string ledger_name_of(const LoadTarget& target) {
  return in_schema_of(target, "millrace_loads");
}

std::vector<std::string> proof_of(const LoadTarget& target) {
  std::vector<std::string> proof{"count(*)"};
  for (const auto& column : target.columns) {
    if (has_exact_sum(column.type)) {
      proof.push_back(fmt::format("sum({})", base::sql_name(column.name)));
    }
  }
  return proof;
}

std::string proof_list(const std::vector<std::string>& proof) {
  std::vector<std::string> list;
  for (const auto& one : proof) list.push_back(fmt::format("CAST({} AS VARCHAR)", one));
  return base::join(list, ", ");
}

base::Result<ProofValues> proof_here(sql::Instance& engine, const LoadTarget& target,
                                     const std::string& select) {
  auto reader = TRY(engine.connect());
  auto rows =
      TRY(reader.query(fmt::format("SELECT {} FROM ({})", proof_list(proof_of(target)), select)));
  const auto chunk = TRY(rows.next());
  CHECK(chunk && chunk->row_count() == 1);
  ProofValues values;
  for (std::size_t i = 0; i < chunk->column_count(); ++i) {
    const auto column = chunk->column(i);
    values.push_back(column.is_null(0) ? std::nullopt : std::optional<std::string>(column.text(0)));
  }
  return values;
}

}  // namespace millrace::batch
