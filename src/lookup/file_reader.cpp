#include "lookup/file_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "lookup/index.hpp"

namespace millrace::lookup {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::LookupFormat;

// `read_csv('path', …)`; `types` are `'name': 'TYPE'`, empty to find them out.
std::string reader_of(const LocalCopy& copy, const std::string& types) {
  const std::string path = base::sql_string(copy.path.string());
  const auto with = [&](const char* parameter) {
    return types.empty() ? "" : fmt::format(", {} = {{{}}}", parameter, types);
  };
  switch (copy.format) {
    case LookupFormat::Csv:
      // The quote is given: DuckDB would look for it in the first rows only, and a quoted text may
      // come later.
      return fmt::format(
          R"(read_csv({}, header = true, strict_mode = true, quote = '"', escape = '"'{}))", path,
          with("types"));
    case LookupFormat::Parquet:
      return fmt::format("read_parquet({})", path);
    case LookupFormat::Json:
      return fmt::format("read_json({}{})", path, with("columns"));
  }
  return "";
}

bool is_integer(const sql::Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
      return true;
    default:
      return false;
  }
}

// True if values that look like `found` can be read as `wanted` exactly, or fail.
bool can_read(const sql::Type& found, const sql::Type& wanted, LookupFormat format) {
  if (found == wanted) return true;
  const bool is_list = found.id() == DUCKDB_TYPE_LIST && wanted.id() == DUCKDB_TYPE_LIST;
  if (is_list) return can_read(found.element(), wanted.element(), format);
  // Only an origin that counted the digits tells of decimals in a text file. Too many before the
  // point fail; those behind it would be rounded.
  if (found.id() == DUCKDB_TYPE_DECIMAL && format == LookupFormat::Json) {
    if (wanted.id() == DUCKDB_TYPE_DOUBLE) return true;
    if (wanted.id() == DUCKDB_TYPE_DECIMAL) return found.decimal_scale() <= wanted.decimal_scale();
  }
  const bool is_text_file = format != LookupFormat::Parquet;
  if (wanted.id() == DUCKDB_TYPE_VARCHAR) return is_text_file || is_integer(found);
  // What has no value, or not only such values, looks like text.
  if (found.id() == DUCKDB_TYPE_VARCHAR) return is_text_file;
  if (is_integer(found)) {
    return is_integer(wanted) || wanted.id() == DUCKDB_TYPE_DOUBLE ||
           wanted.id() == DUCKDB_TYPE_DECIMAL;
  }
  return found.id() == DUCKDB_TYPE_DATE && wanted.id() == DUCKDB_TYPE_TIMESTAMP;
}

const sql::Column* find(const std::vector<sql::Column>& columns, const std::string& name) {
  const auto found = std::ranges::find(columns, name, &sql::Column::name);
  return found == columns.end() ? nullptr : &*found;
}

Result<sql::Type> type_named(sql::Connection& connection, const std::string& type) {
  const auto typed = TRY(connection.prepare("SELECT CAST(NULL AS " + type + ")"));
  return typed.columns().at(0).type;
}

Result<std::vector<sql::Column>> declared_columns(sql::Connection& connection,
                                                  const config::Lookup& lookup) {
  std::vector<sql::Column> columns;
  for (const auto& [name, type] : lookup.columns) {
    columns.push_back({name, TRY(type_named(connection, config::sql_of(type)))});
  }
  return columns;
}

// The columns to be read, in their order, with the types that they shall have.
Result<std::vector<sql::Column>> wanted_columns(sql::Connection& connection,
                                                const FileReaderOptions& options,
                                                const std::vector<sql::Column>& found) {
  std::vector<sql::Column> wanted;
  if (options.kept) {
    for (const auto& [name, type] : options.kept->fields()) wanted.push_back({name, type});
    return wanted;
  }
  wanted = found;
  if (!options.lookup.columns.empty()) wanted = TRY(declared_columns(connection, options.lookup));
  if (options.key_type.empty()) return wanted;
  const auto key_type = TRY(type_named(connection, options.key_type));
  for (auto& column : wanted) {
    if (column.name == options.lookup.key) column.type = key_type;
  }
  return wanted;
}

std::string misfit(const FileReaderOptions& options, const sql::Column& found,
                   const sql::Type& wanted) {
  const auto name = base::printable(found.name);
  if (found.name == options.lookup.key) {
    return fmt::format("the key '{}' looks like {}, but the records' column is {}", name,
                       found.type.text(), wanted.text());
  }
  if (!options.lookup.columns.empty()) {
    return fmt::format("the column '{}' is declared {} and looks like {}", name, wanted.text(),
                       found.type.text());
  }
  return fmt::format("the column '{}' was {} and looks like {} now; that needs a restart", name,
                     wanted.text(), found.type.text());
}

Result<void> check_columns(const FileReaderOptions& options, const std::vector<sql::Column>& found,
                           const std::vector<sql::Column>& wanted) {
  for (const auto& column : wanted) {
    const auto* there = find(found, column.name);
    const bool is_key = column.name == options.lookup.key;
    if (!there && !options.copy.columns.empty()) continue;  // no item has it any more: all NULL
    if (!there) {
      return Error{Code::Invalid, fmt::format("the column '{}' is gone; put it back, or restart "
                                              "without it",
                                              base::printable(column.name))};
    }
    if (is_key && !is_key_type(column.type)) {
      return Error{Code::Invalid,
                   fmt::format("the key '{}' is {}; text, a whole number, a date or a timestamptz "
                               "is expected",
                               column.name, column.type.text())};
    }
    if (can_read(there->type, column.type, options.copy.format)) continue;
    return Error{Code::Invalid, misfit(options, *there, column.type)};
  }
  return {};
}

// The type that a column is read with, and what is selected then.
std::pair<std::string, std::string> read_as(const LocalCopy& copy, const sql::Column& wanted,
                                            const sql::Column* found) {
  const auto name = base::sql_name(wanted.name);
  const auto type = wanted.type.text();
  if (copy.format == LookupFormat::Parquet && !(found->type == wanted.type)) {
    return {type, fmt::format("CAST({} AS {})", name, type)};
  }
  if (copy.columns.empty()) return {type, name};
  // As ItemRows writes them. A reader of JSON would round the numbers within a JSON value.
  if (type == "BLOB") return {"VARCHAR", fmt::format("from_base64({})", name)};
  if (type == "BLOB[]") {
    return {"VARCHAR[]", fmt::format("list_transform({}, lambda x: from_base64(x))", name)};
  }
  if (!wanted.type.is_json()) return {type, name};
  return {
      "VARCHAR",
      fmt::format("CASE WHEN json_valid({0}) THEN CAST({0} AS JSON) ELSE to_json({0}) END", name)};
}

}  // namespace

Result<sql::Statement> reading(sql::Connection& connection, const FileReaderOptions& options) {
  const auto& lookup = options.lookup;
  std::optional<sql::Statement> as_it_is;
  if (options.copy.columns.empty()) {
    as_it_is = TRY(connection.prepare("FROM " + reader_of(options.copy, "")));
  }
  const auto found = as_it_is ? as_it_is->columns() : options.copy.columns;
  if (!find(found, lookup.key)) {
    std::vector<std::string> names;
    for (const auto& column : found) names.push_back(column.name);
    return Error{Code::Invalid, fmt::format("there is no column '{}' to be the key{}", lookup.key,
                                            base::did_you_mean(lookup.key, names))};
  }
  const auto wanted = TRY(wanted_columns(connection, options, found));
  TRY(check_columns(options, found, wanted));
  // Finding out what a file has takes as long as reading it: once is enough.
  if (as_it_is && wanted == found) return std::move(*as_it_is);
  std::vector<std::string> types, columns;
  for (const auto& column : wanted) {
    const auto [type, select] = read_as(options.copy, column, find(found, column.name));
    types.push_back(fmt::format("{}: {}", base::sql_string(column.name), base::sql_string(type)));
    columns.push_back(fmt::format("{} AS {}", select, base::sql_name(column.name)));
  }
  return connection.prepare(fmt::format("SELECT {} FROM {}", base::join(columns, ", "),
                                        reader_of(options.copy, base::join(types, ", "))));
}

}  // namespace millrace::lookup
