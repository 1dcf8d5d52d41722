#include "flow/row_sql.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/text.hpp"
#include "sql/parse_select.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

// Functions that DuckDB calls consistent but that answer from their surroundings.
const std::set<std::string, std::less<>> kSurroundings{
    "current_user",     "current_role",    "session_user",   "user",
    "current_database", "current_catalog", "current_schema", "current_schemas",
    "current_setting",  "getvariable",     "getenv",         "version",
    "in_search_path",   "write_log",       "pg_backend_pid", "txid_current",
    "current_query",    "current_date",    "current_time",   "current_timestamp",
    "localtime",        "localtimestamp",  "today",          "get_current_time",
};

// What an EXPLAIN of a row-wise statement may consist of.
const std::set<std::string, std::less<>> kRowWiseOperators{
    "PROJECTION", "FILTER", "UNNEST", "EMPTY_RESULT", "BATCH", "DUMMY_SCAN", "ROOT"};

struct FunctionNames {
  std::set<std::string, std::less<>> aggregates;
  std::set<std::string, std::less<>> varying;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

Result<FunctionNames> read_function_names(sql::Connection& connection) {
  auto rows = TRY(connection.query(
      "SELECT DISTINCT lower(function_name), function_type, coalesce(stability, '') "
      "FROM duckdb_functions()"));
  FunctionNames names;
  std::set<std::string, std::less<>> scalars;
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      const std::string name(chunk->column(0).text(row));
      const auto type = chunk->column(1).text(row);
      if (type == "aggregate") names.aggregates.insert(name);
      if (type == "scalar" || type == "macro") scalars.insert(name);
      if (type == "scalar" && chunk->column(2).text(row) != "CONSISTENT") {
        names.varying.insert(name);
      }
    }
  }
  for (const auto& name : scalars) names.aggregates.erase(name);
  return names;
}

// The functions of the DuckDB that is linked in: the same for every connection, and slow to list.
Result<const FunctionNames*> function_names(sql::Connection& connection) {
  static std::mutex mutex;
  static std::optional<FunctionNames> known;  // Guarded by mutex, until it is set.
  std::lock_guard lock(mutex);
  if (!known) known = TRY(read_function_names(connection));
  return &*known;
}

/// Walks a parsed statement and refuses what is not row-wise.
class Checker {
 public:
  Checker(const FunctionNames& names, std::string_view relation)
      : names_(names), relation_(relation) {}

  Result<void> check_select(const Json& node) const {
    if (node.value("type", "") != "SELECT_NODE") {
      return refusal(node, "UNION, EXCEPT and INTERSECT are",
                     "write one SELECT, or one table for each branch");
    }
    for (const auto& modifier : node.at("modifiers")) TRY(check_modifier(node, modifier));
    const bool is_grouped = !node.at("group_expressions").empty() ||
                            node.value("aggregate_handling", "") != "STANDARD_HANDLING";
    if (is_grouped) return refusal(node, "GROUP BY is", kRollup);
    if (!node.at("having").is_null()) return refusal(node.at("having"), "HAVING is", kRollup);
    if (!node.at("qualify").is_null()) return refusal(node.at("qualify"), "QUALIFY is", kRollup);
    if (!node.at("sample").is_null()) return refusal(node, "a sample is", "filter with WHERE");
    if (!node.at("cte_map").at("map").empty()) {
      return refusal(node, "WITH is", "write the query in FROM (SELECT …) instead");
    }
    TRY(check_from(node.at("from_table")));
    TRY(check_expression(node.at("select_list")));
    return check_expression(node.at("where_clause"));
  }

  Result<void> check_expression(const Json& json) const {
    if (json.is_object()) TRY(check_object(json));
    if (!json.is_structured()) return {};
    for (const auto& child : json) TRY(check_expression(child));
    return {};
  }

 private:
  static constexpr const char* kRollup = "use a rollup or a job for what needs more than one row";

  static Error refusal(const Json& at, std::string_view what, std::string_view mend) {
    Error error{Code::Invalid, fmt::format("{} not possible row by row; {}", what, mend)};
    const auto location = at.is_object() ? at.find("query_location") : at.end();
    if (at.is_object() && location != at.end() && *location != Json(UINT64_MAX)) {
      error.place = fmt::format("byte {}", location->get<std::uint64_t>());
    }
    return error;
  }

  static Result<void> check_modifier(const Json& node, const Json& modifier) {
    const std::string type = modifier.value("type", "");
    const char* what = type == "ORDER_MODIFIER"      ? "ORDER BY is"
                       : type == "DISTINCT_MODIFIER" ? "DISTINCT is"
                                                     : "LIMIT is";
    const Json* at = &node;
    if (type == "ORDER_MODIFIER") at = &modifier.at("orders").at(0).at("expression");
    return refusal(*at, what,
                   type == "DISTINCT_MODIFIER" ? "use `unique` to drop repeated records" : kRollup);
  }

  Result<void> check_from(const Json& from) const {
    const std::string type = from.value("type", "");
    if (type == "BASE_TABLE") {
      const std::string name = from.value("table_name", "");
      if (base::equal_ignoring_case(name, relation_) && from.value("schema_name", "").empty()) {
        return {};
      }
      return refusal(from, fmt::format("reading '{}' is", name),
                     fmt::format("this table reads FROM {} only; use `lookups` for reference data",
                                 relation_));
    }
    if (type == "SUBQUERY") return check_select(from.at("subquery").at("node"));
    return refusal(
        from, type == "JOIN" ? "a join is" : "this FROM is",
        fmt::format("write FROM {}; use `lookups` for reference data and unnest(…) in the "
                    "SELECT list for lists",
                    relation_));
  }

  Result<void> check_object(const Json& json) const {
    const std::string kind = json.value("class", "");
    if (kind == "WINDOW") return refusal(json, "a window function is", kRollup);
    if (kind == "SUBQUERY") {
      return refusal(json, "a subquery is", "use `lookups`, or list functions such as list_sum");
    }
    if (kind == "PARAMETER") return refusal(json, "a parameter is", "write the value itself");
    if (kind == "COLUMN_REF" && json.at("column_names").size() == 1) {
      const auto name = lower(json.at("column_names").at(0).get<std::string>());
      if (kSurroundings.contains(name)) return varying(json, name);
    }
    if (kind != "FUNCTION") return {};
    const std::string name = lower(json.value("function_name", ""));
    if (names_.aggregates.contains(name)) {
      return refusal(json, fmt::format("the aggregate {}() is", name), kRollup);
    }
    if (names_.varying.contains(name) || kSurroundings.contains(name)) return varying(json, name);
    return {};
  }

  static Error varying(const Json& json, std::string_view name) {
    return refusal(json, fmt::format("{} gives another answer each time and is", name),
                   "use _received_at for the time of arrival");
  }

  const FunctionNames& names_;
  std::string_view relation_;
};

Json column_ref(std::string_view name) {
  return {{"class", "COLUMN_REF"},
          {"type", "COLUMN_REF"},
          {"alias", ""},
          {"query_location", UINT64_MAX},
          {"column_names", Json::array({name})}};
}

Json zero_as_row() {
  const Json zero{
      {"class", "CONSTANT"},
      {"type", "VALUE_CONSTANT"},
      {"alias", ""},
      {"query_location", UINT64_MAX},
      {"value",
       {{"type", {{"id", "INTEGER"}, {"type_info", nullptr}}}, {"is_null", false}, {"value", 0}}}};
  Json named = zero;
  named["alias"] = kRow;
  return named;
}

bool is_position_column(const Json& expression) {
  if (expression.value("class", "") != "COLUMN_REF") return false;
  const std::string name = lower(expression.at("column_names").back().get<std::string>());
  const std::string alias = lower(expression.value("alias", ""));
  return (name == kShard || name == kOffset || name == kReceivedAt || name == kRow) &&
         (alias.empty() || alias == name);
}

// Leaves the position columns out wherever the SELECT would bring them, and puts them at its end.
void add_positions(Json& node, bool is_outermost) {
  if (node["from_table"]["type"] == "SUBQUERY") {
    add_positions(node["from_table"]["subquery"]["node"], false);
  }
  Json& list = node["select_list"];
  Json kept = Json::array();
  for (auto& expression : list) {
    if (is_position_column(expression)) continue;
    if (expression.value("class", "") == "STAR") {
      for (const auto name : {kShard, kOffset, kReceivedAt}) {
        Json& excluded = expression["exclude_list"];
        const bool is_there = std::ranges::any_of(excluded, [&](const Json& item) {
          return item.is_string() && lower(item.get<std::string>()) == name;
        });
        if (!is_there) excluded.push_back(name);
      }
    }
    kept.push_back(std::move(expression));
  }
  kept.push_back(column_ref(kShard));
  kept.push_back(column_ref(kOffset));
  if (is_outermost) kept.push_back(zero_as_row());
  kept.push_back(column_ref(kReceivedAt));
  list = std::move(kept);
}

void collect_operators(const Json& node, std::vector<std::string>& names) {
  if (node.is_object() && node.contains("name")) {
    names.push_back(node.at("name").get<std::string>());
  }
  if (!node.is_structured()) return;
  for (const auto& child : node) collect_operators(child, names);
}

Result<std::vector<std::string>> operators_of(sql::Connection& connection,
                                              const std::string& text) {
  std::vector<std::string> names;
  auto rows = TRY(connection.query("EXPLAIN (FORMAT JSON) " + text));
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      collect_operators(Json::parse(chunk->column(1).text(row), nullptr, false), names);
    }
  }
  for (auto& name : names) name = std::string(base::trimmed(name));
  return names;
}

// The plan must consist of row-wise steps only: this catches what the parsed form does not show.
Result<void> check_plan(sql::Connection& connection, const std::string& text) {
  for (const auto& name : TRY(operators_of(connection, text))) {
    if (!kRowWiseOperators.contains(name)) {
      return Error{Code::Invalid,
                   fmt::format("the SQL does not work row by row: it needs {}", name)};
    }
  }
  return {};
}

}  // namespace

Result<std::set<std::string, std::less<>>> varying_functions(sql::Connection& connection) {
  auto names = TRY(function_names(connection))->varying;
  names.insert(kSurroundings.begin(), kSurroundings.end());
  return names;
}

Result<std::string> compile_row_sql(sql::Connection& connection, std::string_view text,
                                    std::string_view relation) {
  Json statement = TRY(sql::parse_select(connection, text));
  const auto* names = TRY(function_names(connection));
  Json& node = statement["statements"][0]["node"];
  TRY(Checker(*names, relation).check_select(node));
  TRY(connection.prepare(text));  // names and types, while positions are still those of the text
  add_positions(node, true);
  const auto compiled = TRY(connection.scalar(
      fmt::format("SELECT json_deserialize_sql({})", base::sql_string(statement.dump()))));
  TRY(check_plan(connection, *compiled));
  return *compiled;
}

namespace {

enum class Many : std::uint8_t { No, Yes };

Result<void> check_list(sql::Connection& connection, std::string_view list,
                        std::string_view relation, Many many) {
  constexpr std::string_view kPrefix = "SELECT ";
  const auto checked = [&]() -> Result<void> {
    const std::string text = fmt::format("{}{}\n FROM {}", kPrefix, list, base::sql_name(relation));
    const Json statement = TRY(sql::parse_select(connection, text));
    const auto* names = TRY(function_names(connection));
    const Json& node = statement.at("statements").at(0).at("node");
    if (many == Many::No && node.at("select_list").size() != 1) {
      return Error{Code::Invalid, "one expression is expected"};
    }
    TRY(Checker(*names, relation).check_select(node));
    TRY(connection.prepare(text));
    return {};
  }();
  if (checked) return checked;
  Error error = checked.error();
  if (const auto at = sql::position_of(error); at && *at >= kPrefix.size()) {
    error.place = fmt::format("byte {}", *at - kPrefix.size());
  }
  return error;
}

}  // namespace

Result<void> check_row_expression(sql::Connection& connection, std::string_view expression,
                                  std::string_view relation) {
  return check_list(connection, expression, relation, Many::No);
}

Result<void> check_row_list(sql::Connection& connection, std::string_view list,
                            std::string_view relation) {
  TRY(check_list(connection, list, relation, Many::Yes));
  const auto text = fmt::format("SELECT {}\n FROM {}", list, base::sql_name(relation));
  const auto operators = TRY(operators_of(connection, text));
  if (std::ranges::count(operators, "UNNEST") == 0) return {};
  return Error{Code::Invalid,
               "unnest gives more than one row for a row; use it in a table's SQL instead"};
}

}  // namespace millrace::flow
