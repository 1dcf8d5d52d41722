#include "batch/warehouse.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace millrace::batch {
namespace {

std::string in_schema_of(const LoadTarget& target, const std::string& table) {
  const auto schema = schema_of(target);
  return schema.empty() ? base::sql_name(table)
                        : base::sql_name(schema) + "." + base::sql_name(table);
}

}  // namespace

std::unique_ptr<Warehouse> make_warehouse(const WarehouseParts& parts) {
  using Kind = config::Warehouse::Kind;
  const auto& one = parts.warehouse;
  switch (one.kind) {
    case Kind::Postgres:
      return make_postgres_warehouse(one.url, parts.tools.engine);
    case Kind::DuckDb:
      return make_duckdb_warehouse(one.path, parts.tools.engine);
    case Kind::Redshift:
      return make_redshift_warehouse(parts);
  }
  return nullptr;
}

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

}  // namespace millrace::batch
