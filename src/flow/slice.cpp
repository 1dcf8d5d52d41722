#include "flow/slice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "flow/row_sql.hpp"
#include "sql/parse_select.hpp"
#include "sql/table_names.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;
using sql::word;
using Json = nlohmann::json;

constexpr std::size_t kPartitionsMax = 20'000;
// The numbers of the partitions, the number of hot rows, and a sum that depends on each of them.
constexpr std::string_view kChoose =
    "SELECT coalesce(string_agg(CAST(_partition AS VARCHAR), ','), '') AS partitions, "
    "count(_mark) || '/' || coalesce(sum(_mark), 0) AS hot FROM t WHERE true";

// What has one value as long as a transaction lasts.
const std::set<std::string, std::less<>> kOfTheMoment = {
    "now", "today", "current_date", "current_timestamp", "transaction_timestamp"};

using FilesByValues = std::map<lake::PartitionValues, lake::Files>;

bool is_among(const std::string& name, const auto& names) {
  return std::ranges::any_of(
      names, [&](const auto& other) { return base::equal_ignoring_case(name, other); });
}

bool is_nothing(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found == node.end() || found->is_null() || found->empty();
}

/// The places of a parsed statement that name a table.
struct Places {
  int count = 0;
  const Json* select = nullptr;  ///< the last SELECT that reads it, and nothing beside it
};

void collect_places(const Json& node, const std::string& table, Places& places) {
  const auto names_it = [&](const Json& from) {
    return word(from, "type") == "BASE_TABLE" &&
           base::equal_ignoring_case(word(from, "table_name"), table);
  };
  if (node.is_object()) {
    if (names_it(node)) ++places.count;
    const auto from = node.find("from_table");
    if (from != node.end() && names_it(*from)) places.select = &node;
  }
  if (!node.is_structured()) return;
  for (const auto& child : node) collect_places(child, table, places);
}

/// Looks for conditions that depend on nothing of a row but its partition.
class Conditions {
 public:
  Conditions(const Json& from, const lake::Metadata& table,
             const std::set<std::string, std::less<>>& varying)
      : table_(table),
        columns_(table.partition_columns),
        varying_(varying),
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
    const auto kind = word(node, "class");
    if (kind == "COLUMN_REF") return is_partition_column(node.at("column_names"));
    const auto function = word(node, "function_name");
    if (is_among(function, varying_) && !is_among(function, kOfTheMoment)) return false;
    return kPlain.contains(kind) && std::all_of(node.begin(), node.end(), [&](const auto& child) {
             return is_of_partition(child);
           });
  }

  bool is_partition_column(const Json& names) const {
    if (names.size() == 1) {
      const std::string name = names.at(0);
      const bool is_time = name == "current_date" || name == "current_timestamp";
      return is_among(name, columns_) || (is_time && !has_column(name));
    }
    return names.size() == 2 && base::equal_ignoring_case(names.at(0).get<std::string>(), name_) &&
           is_among(names.at(1).get<std::string>(), columns_);
  }

  bool has_column(const std::string& name) const {
    return std::ranges::any_of(table_.schema, [&](const auto& column) {
      return base::equal_ignoring_case(column.name, name);
    });
  }

  const lake::Metadata& table_;
  const std::vector<std::string>& columns_;
  const std::set<std::string, std::less<>>& varying_;
  const std::string name_;
};

// The statement that chooses partitions of `t`, parsed.
Result<Json> choice(sql::Connection& connection) {
  static std::mutex mutex;
  static std::optional<Json> known;  // Guarded by mutex.
  std::lock_guard lock(mutex);
  if (!known) known = TRY(sql::parse_select(connection, kChoose));
  return *known;
}

// None: the conditions say nothing of partitions, or the table is read in more places.
Result<std::optional<Slice>> slice_of(sql::Connection& connection, const Json& statements,
                                      const std::string& table, const lake::Metadata& metadata) {
  Places places;
  collect_places(statements, table, places);
  if (places.count != 1 || !places.select) return std::optional<Slice>();
  const Json& from = places.select->at("from_table");
  // A sample is taken of all rows, before any condition.
  const bool is_plain = is_nothing(from, "sample") && is_nothing(*places.select, "sample") &&
                        is_nothing(from, "column_name_alias") && is_nothing(from, "at_clause");
  if (!is_plain || is_nothing(*places.select, "where_clause")) return std::optional<Slice>();
  const auto varying = TRY(varying_functions(connection));
  Json conditions = Json::array();
  Conditions(from, metadata, varying).collect(places.select->at("where_clause"), conditions);
  if (conditions.empty()) return std::optional<Slice>();
  Json asked = TRY(choice(connection));
  Json& node = asked.at("statements").at(0).at("node");
  node["from_table"] = from;
  node["where_clause"] = {{"class", "CONJUNCTION"},
                          {"type", "CONJUNCTION_AND"},
                          {"alias", ""},
                          {"query_location", 0},
                          {"children", std::move(conditions)}};
  const auto sql = TRY(connection.scalar(
      fmt::format("SELECT json_deserialize_sql({}::JSON)", base::sql_string(asked.dump()))));
  return std::optional(Slice{table, sql.value_or("")});
}

// The partition columns, and `_partition`, the number of a partition, or `_mark` of a hot row.
std::string partitions_sql(const TableCut& table, const FilesByValues& partitions,
                           const std::string& hot) {
  const auto& metadata = *table.snapshot->metadata;
  std::vector<std::string> columns, typed;
  for (const auto& name : metadata.partition_columns) {
    const auto column = std::ranges::find(metadata.schema, name, &sql::Column::name);
    CHECK(column != metadata.schema.end());
    columns.push_back(base::sql_name(name));
    typed.push_back(fmt::format("CAST({0} AS {1}) AS {0}", columns.back(), column->type.text()));
  }
  std::vector<std::string> rows;
  for (const auto& [values, files] : partitions) {
    std::string row;
    for (const auto& name : metadata.partition_columns) {
      const auto value = values.find(name);
      const bool is_null = value == values.end() || !value->second;
      row += is_null ? "NULL, " : base::sql_string(*value->second) + ", ";
    }
    rows.push_back(fmt::format("({}{})", row, rows.size()));
  }
  if (rows.empty()) {
    std::string nothing;
    for (std::size_t i = 0; i < columns.size(); ++i) nothing += "NULL, ";
    rows.push_back(fmt::format("({}NULL)", nothing));
  }
  const auto names = base::join(columns, ", ");
  auto sql = fmt::format(
      "SELECT {}, _partition, CAST(NULL AS UBIGINT) AS _mark FROM (VALUES {}) AS v({}, _partition)",
      base::join(typed, ", "), base::join(rows, ", "), names);
  if (hot.empty()) return sql;
  // A row is known by its position; tables without positions have none but whole rows.
  const bool has_positions =
      std::ranges::find(table.hot_columns, kRow, &sql::Column::name) != table.hot_columns.end();
  const auto known_by =
      has_positions ? fmt::format("{}, {}, {}", kShard, kOffset, kRow) : std::string("h");
  return fmt::format("{} UNION ALL SELECT {}, NULL, hash({}) FROM {} AS h", sql, names, known_by,
                     hot);
}

}  // namespace

Result<Reads> reads_of(sql::Connection& connection, std::string_view text, const Cut& cut) {
  const Json parsed = TRY(sql::parse_select(connection, text));
  Reads reads;
  for (auto& table : sql::tables_of(parsed)) {
    const auto& name = reads.tables.emplace_back(std::move(table.name));
    const auto known = cut.tables.find(name);
    if (known == cut.tables.end()) continue;
    const auto& metadata = *known->second.snapshot->metadata;
    if (metadata.partition_columns.empty()) continue;
    auto slice = TRY(slice_of(connection, parsed.at("statements"), name, metadata));
    if (slice) reads.slices.push_back(std::move(*slice));
  }
  return reads;
}

Result<SliceRows> rows_of(sql::Connection& connection, const Slice& slice, const TableCut& table,
                          const Parameters& parameters, const std::string& hot) {
  FilesByValues partitions;
  for (const auto& [path, file] : table.snapshot->files) {
    partitions[file->partition_values].push_back(file);
  }
  if (partitions.size() > kPartitionsMax) return Error{Code::Exhausted, "too many partitions"};
  TRY(connection.run(fmt::format("CREATE OR REPLACE TEMP VIEW {} AS {}",
                                 base::sql_name(slice.table),
                                 partitions_sql(table, partitions, hot))));
  auto statement = TRY(connection.prepare(slice.sql));
  for (const auto& name : statement.parameter_names()) {
    const auto value = parameters.find(name);
    if (value != parameters.end()) TRY(statement.bind(name, value->second));
  }
  auto rows = TRY(statement.execute());
  const auto chunk = TRY(rows.next());
  CHECK(chunk && chunk->row_count() == 1);
  std::istringstream numbers{std::string(chunk->column(0).text(0))};
  std::set<std::size_t> chosen;
  for (std::string number; std::getline(numbers, number, ',');) chosen.insert(std::stoull(number));
  SliceRows found{.files = {}, .hot = std::string(chunk->column(1).text(0))};
  std::size_t number = 0;
  for (auto& [values, files] : partitions) {
    if (!chosen.contains(number++)) continue;
    found.files.insert(found.files.end(), files.begin(), files.end());
  }
  return found;
}

}  // namespace millrace::flow
