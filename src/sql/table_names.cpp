#include "sql/table_names.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "sql/parse_select.hpp"

namespace millrace::sql {
namespace {

using base::Result;
using Json = nlohmann::json;
using Scope = std::vector<std::string>;  // names that WITH defines, where they can be seen

bool is_among(const Scope& scope, const std::string& name) {
  return std::ranges::any_of(
      scope, [&](const auto& known) { return base::equal_ignoring_case(known, name); });
}

/// Walks a parsed statement as `json_serialize_sql` gives it.
class Walk {
 public:
  std::vector<TableName> take() {
    std::ranges::stable_sort(found_, {}, [](const auto& name) { return name.at.value_or(0); });
    return std::move(found_);
  }

  void visit(const Json& node, Scope scope) {
    if (node.is_object()) {
      if (word(node, "type") == "BASE_TABLE") add(node, scope);
      if (word(node, "type") == "RECURSIVE_CTE_NODE") {
        scope.push_back(word(node, "cte_name"));
      }
      // A definition sees those before it, not itself.
      if (const auto ctes = node.find("cte_map"); ctes != node.end()) {
        for (const auto& entry : ctes->at("map")) {
          visit(entry.at("value"), scope);
          scope.push_back(entry.at("key").get<std::string>());
        }
      }
      for (const auto& [key, child] : node.items()) {
        if (key != "cte_map") visit(child, scope);
      }
    } else if (node.is_array()) {
      for (const auto& child : node) visit(child, scope);
    }
  }

 private:
  void add(const Json& node, const Scope& scope) {
    const std::string name = word(node, "table_name");
    if (word(node, "schema_name").empty() && is_among(scope, name)) return;
    const auto location = node.value("query_location", UINT64_MAX);
    const auto at = location == UINT64_MAX ? std::nullopt : std::optional<std::size_t>(location);
    const auto known = std::ranges::find_if(found_, [&](const TableName& other) {
      return base::equal_ignoring_case(other.name, name);
    });
    if (known == found_.end()) {
      found_.push_back({name, at});
    } else if (at && (!known->at || *at < *known->at)) {
      known->at = at;
    }
  }

  std::vector<TableName> found_;
};

}  // namespace

Result<std::vector<TableName>> tables_of(Connection& connection, std::string_view text) {
  return tables_of(TRY(parse_select(connection, text)));
}

std::vector<TableName> tables_of(const Json& parsed) {
  Walk walk;
  walk.visit(parsed.at("statements"), {});
  return walk.take();
}

}  // namespace millrace::sql
