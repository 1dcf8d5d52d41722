#include "sql/arrow.hpp"

#include "sql/error.hpp"

namespace millrace::sql {
namespace {

using base::Result;

Result<void> outcome_of(duckdb_error_data error) {
  Result<void> outcome;
  if (error && duckdb_error_data_has_error(error)) {
    outcome = error_from(duckdb_error_data_message(error), duckdb_error_data_error_type(error));
  }
  duckdb_destroy_error_data(&error);
  return outcome;
}

}  // namespace

Result<ArrowOwned<ArrowSchema>> arrow_schema_of(const ArrowOptions& options,
                                                const std::vector<Column>& columns) {
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (const auto& column : columns) {
    types.push_back(column.type.handle());
    names.push_back(column.name.c_str());
  }
  ArrowOwned<ArrowSchema> schema;
  TRY(outcome_of(duckdb_to_arrow_schema(options.handle(), types.data(), names.data(), types.size(),
                                        schema.out())));
  return schema;
}

Result<ArrowOwned<ArrowArray>> arrow_array_of(const ArrowOptions& options, const Chunk& chunk) {
  ArrowOwned<ArrowArray> array;
  TRY(outcome_of(duckdb_data_chunk_to_arrow(options.handle(), chunk.handle(), array.out())));
  return array;
}

}  // namespace millrace::sql
