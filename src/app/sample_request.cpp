#include "app/sample_request.hpp"

#include <fmt/format.h>

#include "sql/render.hpp"

namespace millrace::app {
namespace {

using config::Column;
using Kind = config::ColumnType::Kind;

std::string json_of(const config::ColumnType& type, base::Time now);

std::string json_text(std::string_view text) {
  std::string out;
  sql::append_json_string(text, out);
  return out;
}

// `2026-11-24T08:30:00Z`
std::string whole_seconds(base::Time time) {
  return base::format_time(time).substr(0, 19) + "Z";
}

std::string json_object(const std::vector<Column>& columns, base::Time now) {
  std::string out = "{";
  for (const auto& column : columns) {
    if (out.size() > 1) out += ",";
    out += json_text(column.name) + ":" + json_of(column.type, now);
  }
  return out + "}";
}

std::string json_of(const config::ColumnType& type, base::Time now) {
  switch (type.kind) {
    case Kind::Varchar:
      return "\"a1\"";
    case Kind::Boolean:
      return "true";
    case Kind::TinyInt:
    case Kind::SmallInt:
    case Kind::Integer:
    case Kind::BigInt:
      return "1";
    case Kind::Float:
    case Kind::Double:
      return "1.5";
    case Kind::Decimal:
      return type.scale == 0 ? "1" : type.scale == type.precision ? "0.5" : "1.5";
    case Kind::Date:
      return json_text(whole_seconds(now).substr(0, 10));
    case Kind::TimestampTz:
      return json_text(whole_seconds(now));
    case Kind::Timestamp:
      return json_text(whole_seconds(now).substr(0, 19));
    case Kind::Struct:
      return json_object(type.fields, now);
    case Kind::List:
      return "[" + json_of(type.fields.at(0).type, now) + "]";
    case Kind::Json:
      return "{}";
  }
  return "null";
}

// A JSON value as a field: texts bare, what has commas within in quotes.
std::string csv_field(std::string json) {
  if (json.starts_with('"')) return json.substr(1, json.size() - 2);
  if (!json.starts_with('{') && !json.starts_with('[')) return json;
  std::string out = "\"";
  for (const char character : json) out += character == '"' ? "\"\"" : std::string(1, character);
  return out + "\"";
}

std::string csv_of(const config::Source& source, base::Time now) {
  std::string head;
  std::string line;
  for (const auto& column : source.schema) {
    if (!head.empty()) head += source.csv_delimiter, line += source.csv_delimiter;
    head += column.name;
    line += csv_field(json_of(column.type, now));
  }
  return head + "\n" + line;
}

// In single quotes for a shell.
std::string shell_text(std::string_view text) {
  std::string out = "'";
  for (const char character : text) {
    if (character == '\'') {
      out += "'\\''";
    } else {
      out += character;
    }
  }
  return out + "'";
}

}  // namespace

std::string sample_record(const config::Source& source, base::Time now) {
  const bool is_csv = source.format == config::Format::Csv;
  return is_csv ? csv_of(source, now) : json_object(source.schema, now);
}

std::string sample_request(const config::Source& source, std::string_view address, base::Time now) {
  const bool is_csv = source.format == config::Format::Csv;
  return fmt::format("curl -H 'Content-Type: {}' --data-binary {} {}/v1/streams/{}/records",
                     is_csv ? "text/csv" : "application/x-ndjson",
                     shell_text(sample_record(source, now)), address, source.name);
}

}  // namespace millrace::app
