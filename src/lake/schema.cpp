#include "lake/schema.hpp"

#include <fmt/format.h>

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

Result<void> check_same_schema(const Schema& ours, const Schema& stored) {
  const auto describe = [](const Schema& schema) {
    std::vector<std::string> parts;
    for (const auto& column : schema) {
      parts.push_back(column.name + " " + stored_type(column.type).text());
    }
    return base::join(parts, ", ");
  };
  const std::string mine = describe(ours), theirs = describe(stored);
  if (mine == theirs) return {};
  return Error{Code::Invalid,
               fmt::format("the table was made with other columns\n  stored: {}\n  now:    {}\n"
                           "give the table a new name, or restore its columns",
                           theirs, mine)};
}

}  // namespace millrace::lake
