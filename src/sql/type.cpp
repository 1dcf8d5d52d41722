#include "sql/type.hpp"

#include <fmt/format.h>

#include <map>

#include "base/text.hpp"

namespace millrace::sql {
namespace {

constexpr const char* kJson = "JSON";

std::string take_text(char* text) {
  std::string out = text ? text : "";
  duckdb_free(text);
  return out;
}

const char* plain_name(duckdb_type id) {
  static const std::map<duckdb_type, const char*> kNames{
      {DUCKDB_TYPE_BOOLEAN, "BOOLEAN"},
      {DUCKDB_TYPE_TINYINT, "TINYINT"},
      {DUCKDB_TYPE_SMALLINT, "SMALLINT"},
      {DUCKDB_TYPE_INTEGER, "INTEGER"},
      {DUCKDB_TYPE_BIGINT, "BIGINT"},
      {DUCKDB_TYPE_HUGEINT, "HUGEINT"},
      {DUCKDB_TYPE_UTINYINT, "UTINYINT"},
      {DUCKDB_TYPE_USMALLINT, "USMALLINT"},
      {DUCKDB_TYPE_UINTEGER, "UINTEGER"},
      {DUCKDB_TYPE_UBIGINT, "UBIGINT"},
      {DUCKDB_TYPE_UHUGEINT, "UHUGEINT"},
      {DUCKDB_TYPE_FLOAT, "FLOAT"},
      {DUCKDB_TYPE_DOUBLE, "DOUBLE"},
      {DUCKDB_TYPE_DATE, "DATE"},
      {DUCKDB_TYPE_TIME, "TIME"},
      {DUCKDB_TYPE_TIME_TZ, "TIME WITH TIME ZONE"},
      {DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP"},
      {DUCKDB_TYPE_TIMESTAMP_S, "TIMESTAMP_S"},
      {DUCKDB_TYPE_TIMESTAMP_MS, "TIMESTAMP_MS"},
      {DUCKDB_TYPE_TIMESTAMP_NS, "TIMESTAMP_NS"},
      {DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"},
      {DUCKDB_TYPE_INTERVAL, "INTERVAL"},
      {DUCKDB_TYPE_UUID, "UUID"},
      {DUCKDB_TYPE_BLOB, "BLOB"},
      {DUCKDB_TYPE_BIT, "BIT"},
      {DUCKDB_TYPE_VARCHAR, "VARCHAR"},
      {DUCKDB_TYPE_SQLNULL, "\"NULL\""},
      {DUCKDB_TYPE_ENUM, "ENUM"},
      {DUCKDB_TYPE_UNION, "UNION"}};
  const auto found = kNames.find(id);
  return found == kNames.end() ? "UNKNOWN" : found->second;
}

}  // namespace

// The C interface has no copy: a list of the type gives its element back as a new handle.
Type::Type(const Type& other) : handle_(nullptr) {
  duckdb_logical_type list = duckdb_create_list_type(other.handle_);
  handle_ = duckdb_list_type_child_type(list);
  duckdb_destroy_logical_type(&list);
}

Type Type::decimal(std::uint8_t precision, std::uint8_t scale) {
  return Type(duckdb_create_decimal_type(precision, scale));
}

Type Type::list(const Type& element) {
  return Type(duckdb_create_list_type(element.handle_));
}

Type Type::structure(const std::vector<std::pair<std::string, Type>>& fields) {
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (const auto& [name, type] : fields) {
    names.push_back(name.c_str());
    types.push_back(type.handle_);
  }
  return Type(duckdb_create_struct_type(types.data(), names.data(), types.size()));
}

Type Type::json() {
  Type type(DUCKDB_TYPE_VARCHAR);
  duckdb_logical_type_set_alias(type.handle_, kJson);
  return type;
}

bool Type::is_json() const {
  return id() == DUCKDB_TYPE_VARCHAR && take_text(duckdb_logical_type_get_alias(handle_)) == kJson;
}

Type Type::element() const {
  return Type(id() == DUCKDB_TYPE_ARRAY ? duckdb_array_type_child_type(handle_)
                                        : duckdb_list_type_child_type(handle_));
}

std::vector<std::pair<std::string, Type>> Type::fields() const {
  std::vector<std::pair<std::string, Type>> fields;
  for (idx_t i = 0; i < duckdb_struct_type_child_count(handle_); ++i) {
    fields.emplace_back(take_text(duckdb_struct_type_child_name(handle_, i)),
                        Type(duckdb_struct_type_child_type(handle_, i)));
  }
  return fields;
}

std::string Type::text() const {
  switch (id()) {
    case DUCKDB_TYPE_DECIMAL:
      return fmt::format("DECIMAL({},{})", decimal_precision(), decimal_scale());
    case DUCKDB_TYPE_LIST:
      return element().text() + "[]";
    case DUCKDB_TYPE_ARRAY:
      return fmt::format("{}[{}]", element().text(), duckdb_array_type_array_size(handle_));
    case DUCKDB_TYPE_MAP:
      return fmt::format("MAP({}, {})", Type(duckdb_map_type_key_type(handle_)).text(),
                         Type(duckdb_map_type_value_type(handle_)).text());
    case DUCKDB_TYPE_STRUCT: {
      std::vector<std::string> parts;
      for (const auto& [name, type] : fields()) {
        parts.push_back(base::sql_name(name) + " " + type.text());
      }
      return "STRUCT(" + base::join(parts, ", ") + ")";
    }
    default:
      return is_json() ? kJson : plain_name(id());
  }
}

}  // namespace millrace::sql
