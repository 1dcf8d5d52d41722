#include "sql/connection.hpp"

#include <fmt/format.h>

#include "sql/error.hpp"
#include "sql/render.hpp"
#include "sql/table_names.hpp"

namespace millrace::sql {
namespace {

using base::Code;
using base::Error;
using base::Result;

Error error_of(duckdb_result& result) {
  const char* message = duckdb_result_error(&result);
  return error_from(message ? message : "unknown error", duckdb_result_error_type(&result));
}

duckdb_value make_value(const Value& value) {
  struct Visitor {
    duckdb_value operator()(std::monostate) const { return duckdb_create_null_value(); }
    duckdb_value operator()(bool v) const { return duckdb_create_bool(v); }
    duckdb_value operator()(std::int64_t v) const { return duckdb_create_int64(v); }
    duckdb_value operator()(double v) const { return duckdb_create_double(v); }
    duckdb_value operator()(const std::string& v) const {
      return duckdb_create_varchar_length(v.data(), v.size());
    }
    duckdb_value operator()(Date v) const { return duckdb_create_date({v.days}); }
    duckdb_value operator()(base::Time v) const {
      return duckdb_create_timestamp_tz({v.time_since_epoch().count()});
    }
  };
  return std::visit(Visitor{}, value);
}

}  // namespace

Rows::Rows(duckdb_result result) : result_(result) {
  for (idx_t i = 0; i < duckdb_column_count(&result_); ++i) {
    columns_.push_back(
        {duckdb_column_name(&result_, i), Type(duckdb_column_logical_type(&result_, i))});
  }
}

Rows::Rows(Rows&& other) noexcept
    : result_(other.result_), is_owner_(other.is_owner_), columns_(std::move(other.columns_)) {
  other.is_owner_ = false;
}

Rows::~Rows() {
  if (is_owner_) duckdb_destroy_result(&result_);
}

Result<std::optional<Chunk>> Rows::next() {
  duckdb_data_chunk chunk = duckdb_fetch_chunk(result_);
  if (chunk) return std::optional<Chunk>(Chunk(chunk));
  if (const char* message = duckdb_result_error(&result_); message && *message) {
    return error_of(result_);
  }
  return std::optional<Chunk>();
}

duckdb_arrow_options Rows::arrow_options() {
  return duckdb_result_get_arrow_options(&result_);
}

StatementKind Statement::kind() const {
  const auto type = duckdb_prepared_statement_type(handle_);
  if (type == DUCKDB_STATEMENT_TYPE_SELECT) return StatementKind::Select;
  return type == DUCKDB_STATEMENT_TYPE_EXPLAIN ? StatementKind::Explain : StatementKind::Other;
}

std::vector<Column> Statement::columns() const {
  std::vector<Column> columns;
  for (idx_t i = 0; i < duckdb_prepared_statement_column_count(handle_); ++i) {
    const char* name = duckdb_prepared_statement_column_name(handle_, i);
    columns.push_back(
        {name ? name : "", Type(duckdb_prepared_statement_column_logical_type(handle_, i))});
    duckdb_free(const_cast<char*>(name));
  }
  return columns;
}

std::vector<std::string> Statement::parameter_names() const {
  std::vector<std::string> names;
  for (idx_t i = 1; i <= duckdb_nparams(handle_); ++i) {
    const char* name = duckdb_parameter_name(handle_, i);
    names.emplace_back(name ? name : "");
    duckdb_free(const_cast<char*>(name));
  }
  return names;
}

Result<void> Statement::bind(const std::string& name, const Value& value) {
  idx_t index = 0;
  if (duckdb_bind_parameter_index(handle_, &index, name.c_str()) != DuckDBSuccess) {
    return Error{Code::NotFound, fmt::format("the SQL has no parameter ${}", name)};
  }
  duckdb_value bound = make_value(value);
  const auto state = duckdb_bind_value(handle_, index, bound);
  duckdb_destroy_value(&bound);
  if (state != DuckDBSuccess) {
    return Error{Code::Invalid, fmt::format("the value of parameter ${} cannot be used", name)};
  }
  return {};
}

Result<Rows> Statement::execute(Fetch fetch) {
  duckdb_result result{};
  if (fetch == Fetch::Materialised) {
    const auto state = duckdb_execute_prepared(handle_, &result);
    Rows rows(result);
    if (state != DuckDBSuccess) return error_of(rows.result_);
    return rows;
  }
  duckdb_pending_result pending{};
  if (duckdb_pending_prepared_streaming(handle_, &pending) != DuckDBSuccess) {
    const char* message = duckdb_pending_error(pending);
    Error error = error_from(message ? message : "unknown error", DUCKDB_ERROR_INVALID);
    duckdb_destroy_pending(&pending);
    return error;
  }
  const auto state = duckdb_execute_pending(pending, &result);
  duckdb_destroy_pending(&pending);
  Rows rows(result);
  if (state != DuckDBSuccess) return error_of(rows.result_);
  return rows;
}

Result<Statement> Connection::prepare(std::string_view sql) {
  duckdb_prepared_statement handle{};
  const std::string text(sql);
  if (duckdb_prepare(handle_, text.c_str(), &handle) == DuckDBSuccess) return Statement(handle);
  const char* message = duckdb_prepare_error(handle);
  Error error = error_from(message ? message : "the SQL is empty", DUCKDB_ERROR_INVALID);
  duckdb_destroy_prepare(&handle);
  return error;
}

Result<Rows> Connection::query(std::string_view sql, Fetch fetch) {
  if (fetch == Fetch::Streamed) {
    auto statement = TRY(prepare(sql));
    return statement.execute(fetch);
  }
  duckdb_result result{};
  const auto state = duckdb_query(handle_, std::string(sql).c_str(), &result);
  Rows rows(result);
  if (state != DuckDBSuccess) return error_of(rows.result_);
  return rows;
}

Result<void> Connection::run(std::string_view sql) {
  TRY(query(sql));
  return {};
}

Result<std::optional<std::string>> Connection::scalar(std::string_view sql) {
  auto rows = TRY(query(sql));
  const auto chunk = TRY(rows.next());
  if (!chunk || chunk->row_count() == 0) return std::optional<std::string>();
  if (chunk->column(0).is_null(0)) return std::optional<std::string>();
  return std::optional(Renderer(rows.columns()[0].type).text(chunk->column(0), 0));
}

Result<std::vector<std::string>> Connection::table_names(std::string_view sql) {
  std::vector<std::string> names;
  auto tables = TRY(tables_of(*this, sql));
  for (auto& table : tables) names.push_back(std::move(table.name));
  return names;
}

}  // namespace millrace::sql
