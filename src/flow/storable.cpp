#include "flow/storable.hpp"

#include <fmt/format.h>

namespace millrace::flow {

std::optional<std::string> storage_problem(const sql::Column& column) {
  const auto text = column.type.text();
  const auto problem = [&](std::string_view mend) {
    return fmt::format("column '{}' is {}, which a table cannot store; {}", column.name, text,
                       mend);
  };
  switch (column.type.id()) {
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return problem("say its zone: ts AT TIME ZONE 'UTC' gives a TIMESTAMPTZ");
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
      return problem("cast it to BIGINT");
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_UHUGEINT:
      return problem("cast it to DECIMAL(38,0)");
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_TZ:
    case DUCKDB_TYPE_INTERVAL:
    case DUCKDB_TYPE_UUID:
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_BIT:
    case DUCKDB_TYPE_UNION:
    case DUCKDB_TYPE_SQLNULL:
      return problem("cast it to VARCHAR");
    case DUCKDB_TYPE_LIST:
      return storage_problem({column.name + " element", column.type.element()});
    case DUCKDB_TYPE_STRUCT:
      for (const auto& [name, type] : column.type.fields()) {
        if (auto found = storage_problem({column.name + "." + name, type})) return found;
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace millrace::flow
