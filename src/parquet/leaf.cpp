#include "parquet/leaf.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::parquet {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr int kDigitsOfInt32 = 9;
constexpr int kDigitsOfInt64 = 18;

std::optional<Physical> physical_of(const sql::Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_BOOLEAN:
      return Physical::Boolean;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return Physical::Int32;
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return Physical::Int64;
    case DUCKDB_TYPE_FLOAT:
      return Physical::Float;
    case DUCKDB_TYPE_DOUBLE:
      return Physical::Double;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
      return Physical::ByteArray;
    case DUCKDB_TYPE_DECIMAL:
      if (type.decimal_precision() <= kDigitsOfInt32) return Physical::Int32;
      return type.decimal_precision() <= kDigitsOfInt64 ? Physical::Int64 : Physical::FixedBytes;
    default:
      return std::nullopt;
  }
}

class Builder {
 public:
  // `way` is the leaf as far as the way to `type` goes.
  Result<void> add(const std::string& name, const sql::Type& type, Leaf way) {
    way.path.push_back(name);
    ++way.definition_max;
    if (type.id() == DUCKDB_TYPE_STRUCT) return add_fields(name, type, way);
    if (type.id() == DUCKDB_TYPE_LIST) return add_elements(name, type, std::move(way));
    const auto physical = physical_of(type);
    if (!physical) {
      return Error{Code::Invalid, fmt::format("column '{}' is {}, which is not written to Parquet; "
                                              "cast it",
                                              base::join(way.path, "."), type.text())};
    }
    schema_.nodes.push_back({.name = name, .type = type, .physical = physical});
    way.type = type;
    way.physical = *physical;
    schema_.leaves.push_back(std::move(way));
    return {};
  }

  FileSchema take() { return std::move(schema_); }

 private:
  Result<void> add_fields(const std::string& name, const sql::Type& type, const Leaf& way) {
    const auto fields = type.fields();
    schema_.nodes.push_back({.name = name, .type = type, .children = fields.size()});
    for (std::size_t i = 0; i < fields.size(); ++i) {
      auto further = way;
      further.steps.push_back({Leaf::Step::Into::Field, i});
      TRY(add(fields[i].first, fields[i].second, std::move(further)));
    }
    return {};
  }

  Result<void> add_elements(const std::string& name, const sql::Type& type, Leaf way) {
    schema_.nodes.push_back({.name = name, .type = type, .children = 1});
    schema_.nodes.push_back({.name = "list", .type = type, .is_repeated = true, .children = 1});
    way.path.emplace_back("list");
    way.steps.push_back({Leaf::Step::Into::Elements});
    ++way.definition_max;
    ++way.repetition_max;
    return add("element", type.element(), std::move(way));
  }

  FileSchema schema_;
};

}  // namespace

std::string Leaf::dotted() const {
  if (repetition_max > 0) return "";
  std::vector<std::string> names;
  std::ranges::transform(path, std::back_inserter(names), base::sql_name);
  return base::join(names, ".");
}

Result<FileSchema> schema_of(const std::vector<sql::Column>& columns) {
  Builder builder;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    TRY(builder.add(columns[i].name, columns[i].type, Leaf{.column = i}));
  }
  return builder.take();
}

}  // namespace millrace::parquet
