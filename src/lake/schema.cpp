#include "lake/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

const std::vector<std::pair<const char*, duckdb_type>> kPlainTypes{
    {"string", DUCKDB_TYPE_VARCHAR},  {"boolean", DUCKDB_TYPE_BOOLEAN},
    {"byte", DUCKDB_TYPE_TINYINT},    {"short", DUCKDB_TYPE_SMALLINT},
    {"integer", DUCKDB_TYPE_INTEGER}, {"long", DUCKDB_TYPE_BIGINT},
    {"float", DUCKDB_TYPE_FLOAT},     {"double", DUCKDB_TYPE_DOUBLE},
    {"date", DUCKDB_TYPE_DATE},       {"timestamp", DUCKDB_TYPE_TIMESTAMP_TZ},
    {"binary", DUCKDB_TYPE_BLOB},
};

Result<Json> json_of(const std::string& name, const sql::Type& type);

Result<Json> fields_of(const std::vector<std::pair<std::string, sql::Type>>& fields) {
  Json list = Json::array();
  for (const auto& [name, type] : fields) {
    list.push_back({{"name", name},
                    {"type", TRY(json_of(name, type))},
                    {"nullable", true},
                    {"metadata", Json::object()}});
  }
  return Json{{"type", "struct"}, {"fields", list}};
}

Result<Json> json_of(const std::string& name, const sql::Type& type) {
  const auto id = type.id();
  for (const auto& [word, plain] : kPlainTypes) {
    if (plain == id) return Json(word);
  }
  if (id == DUCKDB_TYPE_DECIMAL) {
    return Json(fmt::format("decimal({},{})", type.decimal_precision(), type.decimal_scale()));
  }
  if (id == DUCKDB_TYPE_STRUCT) return fields_of(type.fields());
  if (id == DUCKDB_TYPE_LIST) {
    return Json{{"type", "array"},
                {"elementType", TRY(json_of(name, type.element()))},
                {"containsNull", true}};
  }
  return Error{
      Code::Invalid,
      fmt::format("column '{}' is {}, which Delta Lake cannot store; cast it", name, type.text())};
}

Result<sql::Type> type_of(const Json& json);

Result<std::vector<std::pair<std::string, sql::Type>>> fields_from(const Json& json) {
  std::vector<std::pair<std::string, sql::Type>> fields;
  for (const auto& field : json.at("fields")) {
    fields.emplace_back(field.at("name").get<std::string>(), TRY(type_of(field.at("type"))));
  }
  return fields;
}

Result<sql::Type> decimal_from(const std::string& word) {
  unsigned precision = 0, scale = 0;
  const char* const end = word.data() + word.size();
  const auto first = std::from_chars(word.data() + 8, end, precision);
  if (first.ec == std::errc{} && first.ptr != end) {
    const auto second = std::from_chars(first.ptr + 1, end, scale);
    if (second.ec == std::errc{} && precision >= 1 && precision <= 38 && scale <= precision) {
      return sql::Type::decimal(static_cast<std::uint8_t>(precision),
                                static_cast<std::uint8_t>(scale));
    }
  }
  return Error{Code::Corrupt, fmt::format("'{}' is not a decimal type", word)};
}

Result<sql::Type> type_of(const Json& json) {
  if (json.is_string()) {
    const auto word = json.get<std::string>();
    for (const auto& [name, plain] : kPlainTypes) {
      if (word == name) return sql::Type(plain);
    }
    if (word.starts_with("decimal(")) return decimal_from(word);
    return Error{Code::Invalid, fmt::format("columns of Delta type '{}' are not read", word)};
  }
  const auto kind = json.value("type", "");
  if (kind == "struct") return sql::Type::structure(TRY(fields_from(json)));
  if (kind == "array") return sql::Type::list(TRY(type_of(json.at("elementType"))));
  return Error{Code::Invalid, fmt::format("columns of Delta type '{}' are not read", kind)};
}

}  // namespace

// As it is once stored: Delta has no JSON type.
sql::Type stored_type(const sql::Type& type) {
  if (type.is_json()) return sql::Type(DUCKDB_TYPE_VARCHAR);
  if (type.id() == DUCKDB_TYPE_LIST) return sql::Type::list(stored_type(type.element()));
  if (type.id() != DUCKDB_TYPE_STRUCT) return type;
  auto fields = type.fields();
  for (auto& [name, field] : fields) field = stored_type(field);
  return sql::Type::structure(fields);
}

Result<std::string> schema_string(const Schema& schema) {
  std::vector<std::pair<std::string, sql::Type>> fields;
  for (const auto& column : schema) fields.emplace_back(column.name, column.type);
  return TRY(fields_of(fields)).dump();
}

Result<Schema> parse_schema_string(const std::string& text) {
  try {
    Schema schema;
    for (auto& [name, type] : TRY(fields_from(Json::parse(text)))) {
      schema.push_back({name, std::move(type)});
    }
    return schema;
  } catch (const Json::exception& error) {
    return Error{Code::Corrupt, fmt::format("the table's schema cannot be read: {}", error.what())};
  }
}

SchemaChange schema_change(const Schema& ours, const Schema& stored) {
  SchemaChange change;
  for (const auto& column : stored) {
    const auto now = std::ranges::find(ours, column.name, &sql::Column::name);
    const auto type = stored_type(column.type).text();
    if (now == ours.end()) {
      change.refused.push_back(fmt::format(
          "column '{0}' {1} is gone; its rows cannot be taken from it: go on giving it, with "
          "CAST(NULL AS {1}) AS {2} if need be",
          column.name, type, base::sql_name(column.name)));
    } else if (const auto ours_type = stored_type(now->type).text(); ours_type != type) {
      change.refused.push_back(fmt::format(
          "column '{0}' was {1} and is {2} now: cast it, CAST(… AS {1}) AS {3}, or give it a new "
          "name",
          column.name, type, ours_type, base::sql_name(column.name)));
    }
  }
  std::size_t at = 0;  // in `stored`, of those that both have
  for (const auto& column : ours) {
    const auto before = std::ranges::find(stored, column.name, &sql::Column::name);
    if (before == stored.end()) {
      change.added.push_back(column.name);
    } else if (static_cast<std::size_t>(before - stored.begin()) != at++) {
      change.is_reordered = change.refused.empty();
    }
  }
  return change;
}

}  // namespace millrace::lake
