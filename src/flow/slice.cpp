#include "flow/slice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"
#include "flow/row_sql.hpp"
#include "sql/parse_select.hpp"
#include "sql/table_names.hpp"

namespace millrace::flow {
namespace {

using base::Result;
using Json = nlohmann::json;

constexpr std::size_t kPartitionsMax = 2'000;
// What DuckDB makes of the mark: the number of rows, and a sum that depends on each of them.
constexpr std::string_view kMarkOf =
    "SELECT count(*) || '/' || coalesce(sum(_mark), 0) AS mark FROM t WHERE true";

std::string word(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_nothing(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found == node.end() || found->is_null() || found->empty();
}

/// The places of a parsed statement that name a table.
struct Reads {
  int count = 0;
  const Json* select = nullptr;  ///< the last SELECT that reads it, and nothing beside it
};

void collect_reads(const Json& node, const std::string& table, Reads& reads) {
  const auto names_it = [&](const Json& from) {
    return word(from, "type") == "BASE_TABLE" &&
           base::equal_ignoring_case(word(from, "table_name"), table);
  };
  if (node.is_object()) {
    if (names_it(node)) ++reads.count;
    const auto from = node.find("from_table");
    if (from != node.end() && names_it(*from)) reads.select = &node;
  }
  if (!node.is_structured()) return;
  for (const auto& child : node) collect_reads(child, table, reads);
}

/// Looks for conditions that depend on nothing of a row but its partition.
class Conditions {
 public:
  Conditions(const Json& from, const std::vector<std::string>& partition_columns)
      : columns_(partition_columns),
        name_(word(from, "alias").empty() ? word(from, "table_name") : word(from, "alias")) {}

  // All conditions that hold for each row that is read are those that AND joins.
  void collect(const Json& node, Json& found) const {
    if (word(node, "type") == "CONJUNCTION_AND") {
      for (const auto& child : node.at("children")) collect(child, found);
    } else if (is_of_partition(node)) {
      found.push_back(node);
    }
  }

 private:
  bool is_of_partition(const Json& node) const {
    static const std::set<std::string> kPlain = {
        "",          "CAST",    "COMPARISON", "CONJUNCTION", "CONSTANT",
        "PARAMETER", "BETWEEN", "OPERATOR",   "FUNCTION"};
    if (!node.is_structured()) return true;
    const auto kind = node.is_object() ? word(node, "class") : "";
    if (kind == "COLUMN_REF") return is_partition_column(node.at("column_names"));
    return kPlain.contains(kind) && std::all_of(node.begin(), node.end(), [&](const auto& child) {
             return is_of_partition(child);
           });
  }

  bool is_partition_column(const Json& names) const {
    const auto is_ours = [&](const std::string& name) {
      return std::ranges::any_of(
          columns_, [&](const auto& column) { return base::equal_ignoring_case(column, name); });
    };
    if (names.size() == 1) return is_ours(names.at(0));
    return names.size() == 2 && base::equal_ignoring_case(names.at(0).get<std::string>(), name_) &&
           is_ours(names.at(1));
  }

  const std::vector<std::string>& columns_;
  const std::string name_;
};

}  // namespace

Result<std::optional<Slice>> slice_of(sql::Connection& connection, std::string_view text,
                                      const std::vector<std::string>& partition_columns) {
  const auto tables = TRY(sql::tables_of(connection, text));
  if (tables.size() != 1 || partition_columns.empty()) return std::optional<Slice>();
  const Json parsed = TRY(sql::parse_select(connection, text));
  Reads reads;
  collect_reads(parsed.at("statements"), tables.front().name, reads);
  if (reads.count != 1 || !reads.select) return std::optional<Slice>();
  const Json& from = reads.select->at("from_table");
  // A sample is taken of all rows, before any condition.
  const bool is_plain = is_nothing(from, "sample") && is_nothing(*reads.select, "sample") &&
                        is_nothing(from, "column_name_alias") && is_nothing(from, "at_clause");
  Json conditions = Json::array();
  if (is_plain && !is_nothing(*reads.select, "where_clause")) {
    Conditions(from, partition_columns).collect(reads.select->at("where_clause"), conditions);
  }
  if (conditions.empty()) return std::optional<Slice>();
  Json asked = TRY(sql::parse_select(connection, kMarkOf));
  Json& node = asked.at("statements").at(0).at("node");
  node["from_table"] = from;
  node["where_clause"] = {{"class", "CONJUNCTION"},
                          {"type", "CONJUNCTION_AND"},
                          {"alias", ""},
                          {"query_location", 0},
                          {"children", std::move(conditions)}};
  const auto sql = TRY(connection.scalar(
      fmt::format("SELECT json_deserialize_sql({}::JSON)", base::sql_string(asked.dump()))));
  return std::optional(Slice{tables.front().name, sql.value_or("")});
}

std::optional<std::string> marks_sql(const TableCut& table, const std::string& hot) {
  const auto& metadata = *table.snapshot->metadata;
  std::vector<std::string> columns, typed;
  for (const auto& name : metadata.partition_columns) {
    const auto column = std::ranges::find(metadata.schema, name, &sql::Column::name);
    if (column == metadata.schema.end()) return std::nullopt;
    columns.push_back(base::sql_name(name));
    typed.push_back(fmt::format("CAST({0} AS {1}) AS {0}", columns.back(), column->type.text()));
  }
  std::map<lake::PartitionValues, std::uint64_t> marks;
  for (const auto& [path, file] : table.snapshot->files) {
    marks[file->partition_values] += std::hash<std::string>()(path);
    if (marks.size() > kPartitionsMax) return std::nullopt;
  }
  std::vector<std::string> rows;
  for (const auto& [partition, mark] : marks) {
    std::string row;
    for (const auto& name : metadata.partition_columns) {
      const auto value = partition.find(name);
      const bool is_null = value == partition.end() || !value->second;
      row += is_null ? "NULL, " : base::sql_string(*value->second) + ", ";
    }
    rows.push_back(fmt::format("({}{}::UBIGINT)", row, mark));
  }
  const auto names = base::join(columns, ", ");
  std::vector<std::string> selects;
  if (!rows.empty()) {
    selects.push_back(fmt::format("SELECT {}, _mark FROM (VALUES {}) AS v({}, _mark)",
                                  base::join(typed, ", "), base::join(rows, ", "), names));
  }
  if (!hot.empty()) {
    // A row is known by its position; tables without positions have none but whole rows.
    const bool has_positions =
        std::ranges::find(table.hot_columns, kRow, &sql::Column::name) != table.hot_columns.end();
    const auto known_by =
        has_positions ? fmt::format("{}, {}, {}", kShard, kOffset, kRow) : std::string("h");
    selects.push_back(
        fmt::format("SELECT {}, hash({}) AS _mark FROM {} AS h", names, known_by, hot));
  }
  if (selects.empty()) return std::nullopt;
  return base::join(selects, " UNION ALL ");
}

}  // namespace millrace::flow
