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
std::string reader_of(const config::Lookup& lookup, const std::string& types) {
  const std::string path = base::sql_string(lookup.path.string());
  const auto with = [&](const char* parameter) {
    return types.empty() ? "" : fmt::format(", {} = {{{}}}", parameter, types);
  };
  switch (lookup.format) {
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
  if (options.key_type.empty()) return wanted;
  const auto typed = TRY(connection.prepare("SELECT CAST(NULL AS " + options.key_type + ")"));
  for (auto& column : wanted) {
    if (column.name == options.lookup.key) column.type = typed.columns().at(0).type;
  }
  return wanted;
}

Result<void> check_columns(const FileReaderOptions& options, const std::vector<sql::Column>& found,
                           const std::vector<sql::Column>& wanted) {
  for (const auto& column : wanted) {
    const auto* there = find(found, column.name);
    const bool is_key = column.name == options.lookup.key;
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
    if (can_read(there->type, column.type, options.lookup.format)) continue;
    return Error{
        Code::Invalid,
        is_key ? fmt::format("the key '{}' looks like {}, but the records' column is {}",
                             column.name, there->type.text(), column.type.text())
               : fmt::format("the column '{}' was {} and looks like {} now; that needs a "
                             "restart",
                             base::printable(column.name), column.type.text(), there->type.text())};
  }
  return {};
}

}  // namespace

Result<std::string> select_of(sql::Connection& connection, const FileReaderOptions& options) {
  const auto& lookup = options.lookup;
  const auto statement = TRY(connection.prepare("FROM " + reader_of(lookup, "")));
  const auto found = statement.columns();
  if (!find(found, lookup.key)) {
    std::vector<std::string> names;
    for (const auto& column : found) names.push_back(column.name);
    return Error{Code::Invalid, fmt::format("there is no column '{}' to be the key{}", lookup.key,
                                            base::did_you_mean(lookup.key, names))};
  }
  const auto wanted = TRY(wanted_columns(connection, options, found));
  TRY(check_columns(options, found, wanted));
  std::vector<std::string> types, columns;
  for (const auto& column : wanted) {
    const auto name = base::sql_name(column.name);
    const auto type = column.type.text();
    types.push_back(fmt::format("{}: {}", base::sql_string(column.name), base::sql_string(type)));
    const bool is_cast =
        lookup.format == LookupFormat::Parquet && !(find(found, column.name)->type == column.type);
    columns.push_back(is_cast ? fmt::format("CAST({0} AS {1}) AS {0}", name, type) : name);
  }
  return fmt::format("SELECT {} FROM {}", base::join(columns, ", "),
                     reader_of(lookup, base::join(types, ", ")));
}

}  // namespace millrace::lookup
