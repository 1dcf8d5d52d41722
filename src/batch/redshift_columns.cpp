#include "batch/redshift_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "base/text.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr int kTextBytesMin = 256;
// DECIMAL(38,38) is one digit too many behind the point.
constexpr int kScaleMax = 37;

struct TypeName {
  std::string_view type;      // as `PostgresColumn` has it
  std::string_view redshift;  // in statements
  std::string_view catalogue;
};
constexpr std::array kTypes{
    TypeName{"bool", "BOOLEAN", "boolean"},
    TypeName{"int2", "SMALLINT", "smallint"},
    TypeName{"int4", "INTEGER", "integer"},
    TypeName{"int8", "BIGINT", "bigint"},
    TypeName{"float4", "REAL", "real"},
    TypeName{"float8", "DOUBLE PRECISION", "double precision"},
    TypeName{"numeric", "DECIMAL", "numeric"},
    TypeName{"date", "DATE", "date"},
    TypeName{"timestamp", "TIMESTAMP", "timestamp without time zone"},
    TypeName{"timestamptz", "TIMESTAMPTZ", "timestamp with time zone"},
    TypeName{"super", "SUPER", "super"},
    TypeName{"varchar", "VARCHAR", "character varying"},
    TypeName{"bpchar", "CHAR", "character"},
};

Error refused(const std::string& column, std::string_view why) {
  return {Code::Invalid, fmt::format("column '{}' {}", base::printable(column), why)};
}

// Redshift folds A to Z only.
std::string small(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

Result<std::string> redshift_name(const std::string& name) {
  if (name.size() <= kRedshiftNameBytesMax) return small(name);
  return refused(name, fmt::format("has a name of {} bytes, and Redshift takes {}; give it another "
                                   "with AS in the job's SQL",
                                   name.size(), kRedshiftNameBytesMax));
}

Result<PostgresColumn> column_of(const std::string& name, const sql::Type& type) {
  auto column = column_for(type);
  if (column.type == "bytea") {
    return refused(name,
                   "is BLOB, and Redshift reads none from files; make it a text in the "
                   "job's SQL, with hex() or base64()");
  }
  if (column.type == "numeric" && column.scale > kScaleMax) {
    return refused(name, fmt::format("is {}, and Redshift has {} digits behind the point at most; "
                                     "cast it in the job's SQL",
                                     type.text(), kScaleMax));
  }
  if (column.type == "text") column.type = "varchar";
  if (column.type == "jsonb") column.type = "super";
  return column;
}

// Few and wide types, so that what the files say of widths does not matter to COPY.
PostgresColumn staged_for(const PostgresColumn& column) {
  if (column.type == "int2" || column.type == "int4") return {"int8"};
  if (column.type == "timestamptz") return {"timestamp"};
  if (column.type == "super" || column.type == "varchar") {
    return {"varchar", kRedshiftTextBytesMax};
  }
  return column;
}

// JSON with all digits of decimals, which to_json would make floats of. `at` names what lambdas
// bind.
std::string json_of(const sql::Type& type, const std::string& value, int depth = 0) {
  const auto or_null = [](const std::string& text) {
    return fmt::format("coalesce({}, 'null')", text);
  };
  switch (type.id()) {
    case DUCKDB_TYPE_DECIMAL:
      return fmt::format("CAST({} AS VARCHAR)", value);
    case DUCKDB_TYPE_STRUCT: {
      std::vector<std::string> parts;
      for (const auto& [name, field] : type.fields()) {
        parts.push_back(fmt::format(
            "to_json({}) || ':' || {}", base::sql_string(name),
            or_null(json_of(field,
                            fmt::format("struct_extract({}, {})", value, base::sql_string(name)),
                            depth))));
      }
      return fmt::format("CASE WHEN {} IS NOT NULL THEN '{{' || {} || '}}' END", value,
                         base::join(parts, " || ',' || "));
    }
    case DUCKDB_TYPE_LIST: {
      const auto item = fmt::format("x{}", depth);
      return fmt::format(
          "CASE WHEN {0} IS NOT NULL THEN '[' || array_to_string(list_transform({0}, "
          "lambda {1}: {2}), ',') || ']' END",
          value, item, or_null(json_of(type.element(), item, depth + 1)));
    }
    default:
      return fmt::format("CAST(to_json({}) AS VARCHAR)", value);
  }
}

}  // namespace

Result<LoadTarget> in_small_letters(const LoadTarget& target) {
  auto lowered = target;
  std::set<std::string> names;
  for (auto& column : lowered.columns) {
    column.name = TRY(redshift_name(column.name));
    if (names.insert(column.name).second) continue;
    return refused(column.name,
                   "would be there twice: Redshift does not tell capital letters "
                   "from small ones; give one another name in the job's SQL");
  }
  lowered.partition_column = small(lowered.partition_column);
  return lowered;
}

Result<std::vector<RedshiftColumn>> redshift_columns(const LoadTarget& target) {
  std::vector<RedshiftColumn> columns;
  for (const auto& [name, type] : target.columns) {
    auto column = TRY(column_of(name, type));
    columns.push_back({.name = name, .lake = type, .type = column, .staged = staged_for(column)});
  }
  const auto find = [&](const std::string& name) -> Result<RedshiftColumn*> {
    const auto found = std::ranges::find(columns, small(name), &RedshiftColumn::name);
    if (found == columns.end()) return refused(name, "is named in `load`, and the job has none");
    return &*found;
  };
  if (!target.redshift) return columns;
  for (const auto& key : target.redshift->sort_key) {
    if (is_super(*TRY(find(key)))) return refused(key, "is SUPER, which cannot be a sort_key");
  }
  const auto& dist_key = target.redshift->dist_key;
  if (!dist_key.empty() && is_super(*TRY(find(dist_key)))) {
    return refused(dist_key, "is SUPER, which cannot be a dist_key");
  }
  for (const auto& [name, bytes] : target.redshift->lengths) {
    auto* column = TRY(find(name));
    if (column->type.type != "varchar") return refused(name, "is no text: it has no length");
    column->length_asked = bytes;
  }
  return columns;
}

std::string redshift_text_of(const PostgresColumn& column) {
  const auto* found = std::ranges::find(kTypes, column.type, &TypeName::type);
  CHECK(found != kTypes.end());
  if (column.type == "numeric") {
    return fmt::format("DECIMAL({},{})", column.precision, column.scale);
  }
  if (column.precision < 0) return std::string(found->redshift);
  return fmt::format("{}({})", found->redshift, column.precision);
}

PostgresColumn redshift_column_there(const std::string& data_type, int length, int precision,
                                     int scale) {
  const auto* found = std::ranges::find(kTypes, data_type, &TypeName::catalogue);
  if (found == kTypes.end()) return {data_type};
  PostgresColumn column{std::string(found->type)};
  if (column.type == "varchar" || column.type == "bpchar") column.precision = length;
  if (column.type != "numeric") return column;
  column.precision = precision;
  column.scale = scale;
  return column;
}

bool is_super(const RedshiftColumn& column) {
  return column.type.type == "super";
}

bool is_staged_text(const RedshiftColumn& column) {
  return column.staged.type == "varchar";
}

std::string staged_expression(const RedshiftColumn& column) {
  const auto name = base::sql_name(column.name);
  if (is_super(column)) {
    return column.lake.is_json() ? fmt::format("CAST({} AS VARCHAR)", name)
                                 : json_of(column.lake, name);
  }
  if (column.staged.type == "int8") return fmt::format("CAST({} AS BIGINT)", name);
  if (column.staged.type == "timestamp") return fmt::format("{} AT TIME ZONE 'UTC'", name);
  return name;
}

Result<int> length_for(const RedshiftColumn& column, int there) {
  const auto bytes = static_cast<int>(std::min<std::int64_t>(column.bytes_max, 1 << 30));
  if (bytes > kRedshiftTextBytesMax) {
    return refused(column.name,
                   fmt::format("has a {} of {} bytes, and Redshift takes {}; shorten it in the "
                               "job's SQL",
                               is_super(column) ? "value that is JSON" : "text", column.bytes_max,
                               kRedshiftTextBytesMax));
  }
  if (column.length_asked > 0) {
    if (bytes <= column.length_asked) return std::max(column.length_asked, there);
    return refused(column.name,
                   fmt::format("has a text of {} bytes, and `lengths` allows {}; raise "
                               "it, or shorten the text in the job's SQL",
                               column.bytes_max, column.length_asked));
  }
  if (there > 0 && bytes <= there) return there;
  const auto roomy = std::bit_ceil(static_cast<unsigned>(std::max(2 * bytes, kTextBytesMin)));
  return std::min(static_cast<int>(roomy), kRedshiftTextBytesMax);
}

Result<void> check_holds(const RedshiftColumn& column, const PostgresColumn& there) {
  // Its length is looked at elsewhere.
  const auto wider = column.type.type == "varchar" && there.type == "varchar"
                         ? Result<std::optional<PostgresColumn>>(std::nullopt)
                         : widened(there, column.type);
  if (!wider) return refused(column.name, wider.error().message);
  if (!*wider) return {};
  return refused(column.name,
                 fmt::format("is {} in the warehouse and would be {} now, and Redshift changes no "
                             "type; give the job's column another name, or drop the table there: "
                             "it is loaded anew",
                             redshift_text_of(there), redshift_text_of(column.type)));
}

}  // namespace millrace::batch
