#include "sql/arrow.hpp"

#include <utility>
#include <vector>

#include "sql/error.hpp"

namespace millrace::sql {
namespace {

using base::Result;

class Options {
 public:
  explicit Options(Rows& rows) : handle_(rows.arrow_options()) {}
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  ~Options() { duckdb_destroy_arrow_options(&handle_); }
  duckdb_arrow_options handle() const { return handle_; }

 private:
  duckdb_arrow_options handle_;
};

Result<void> outcome_of(duckdb_error_data error) {
  Result<void> outcome;
  if (error && duckdb_error_data_has_error(error)) {
    outcome = error_from(duckdb_error_data_message(error), duckdb_error_data_error_type(error));
  }
  duckdb_destroy_error_data(&error);
  return outcome;
}

}  // namespace

Result<ArrowOwned<ArrowSchema>> arrow_schema_of(Rows& rows) {
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (const auto& column : rows.columns()) {
    types.push_back(column.type.handle());
    names.push_back(column.name.c_str());
  }
  const Options options(rows);
  ArrowOwned<ArrowSchema> schema;
  TRY(outcome_of(duckdb_to_arrow_schema(options.handle(), types.data(), names.data(), types.size(),
                                        schema.out())));
  return schema;
}

Result<ArrowOwned<ArrowArray>> arrow_array_of(Rows& rows, const Chunk& chunk) {
  const Options options(rows);
  ArrowOwned<ArrowArray> array;
  TRY(outcome_of(duckdb_data_chunk_to_arrow(options.handle(), chunk.handle(), array.out())));
  return array;
}

}  // namespace millrace::sql
