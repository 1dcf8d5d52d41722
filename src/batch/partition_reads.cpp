#include "batch/partition_reads.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/text.hpp"
#include "batch/job_sql.hpp"
#include "sql/parse_select.hpp"

namespace millrace::batch {
namespace {

using sql::word;
using Json = nlohmann::json;

/// Visits each SELECT of a statement.
class Reader {
 public:
  explicit Reader(const std::string& column) : column_(column) {}

  std::set<std::string> tables_within(const Json& statement) {
    visit(statement);
    std::set<std::string> within;
    std::ranges::set_difference(kept_, wide_, std::inserter(within, within.end()));
    return within;
  }

 private:
  // The tables of which the WHERE demands the partition: by their names in the FROM; empty: of the
  // only one.
  using Demands = std::set<std::string>;

  void visit(const Json& node) {
    if (node.is_array()) {
      for (const auto& child : node) visit(child);
    }
    if (!node.is_object()) return;
    if (word(node, "type") == "BASE_TABLE") note(node, false);
    const bool is_select = word(node, "type") == "SELECT_NODE" && node.contains("from_table");
    for (const auto& [key, child] : node.items()) {
      if (!is_select || key != "from_table") visit(child);
    }
    if (!is_select) return;
    Demands demands;
    if (node.contains("where_clause")) add_demands(node.at("where_clause"), demands);
    const bool is_only_one = word(node.at("from_table"), "type") == "BASE_TABLE";
    visit_from(node.at("from_table"), demands, is_only_one);
  }

  // A row that comes through the WHERE has a row of the partition of each table that is demanded,
  // and rows of other partitions take no part in it: so with these kinds of joins.
  void visit_from(const Json& node, const Demands& demands, bool is_only_one) {
    const auto type = word(node, "type");
    if (type == "BASE_TABLE") {
      const auto alias = word(node, "alias");
      const auto name = lower_case(alias.empty() ? word(node, "table_name") : alias);
      const bool is_renamed = !node.value("column_name_alias", Json::array()).empty();
      const bool is_demanded = demands.contains(name) || (is_only_one && demands.contains(""));
      note(node, is_demanded && !is_renamed);
      return;
    }
    const auto join = word(node, "join_type"), ref = word(node, "ref_type");
    const bool is_plain = type == "JOIN" && (ref == "REGULAR" || ref == "CROSS") &&
                          (join == "INNER" || join == "LEFT" || join == "RIGHT");
    if (!is_plain) return visit(node);
    for (const auto& [key, child] : node.items()) {
      if (key == "left" || key == "right") {
        visit_from(child, demands, false);
      } else {
        visit(child);
      }
    }
  }

  void add_demands(const Json& where, Demands& demands) const {
    if (word(where, "type") == "CONJUNCTION_AND") {
      for (const auto& part : where.at("children")) add_demands(part, demands);
    }
    if (word(where, "type") != "COMPARE_EQUAL") return;
    for (const auto& [one, other] : {std::pair("left", "right"), std::pair("right", "left")}) {
      const auto& reference = where.at(one);
      const bool is_parameter = word(where.at(other), "class") == "PARAMETER" &&
                                word(where.at(other), "identifier") == column_;
      if (!is_parameter || word(reference, "class") != "COLUMN_REF") continue;
      const auto names = reference.at("column_names").get<std::vector<std::string>>();
      if (names.size() > 2 || !base::equal_ignoring_case(names.back(), column_)) continue;
      demands.insert(names.size() == 2 ? lower_case(names.front()) : "");
    }
  }

  void note(const Json& table, bool is_within) {
    (is_within ? kept_ : wide_).insert(lower_case(word(table, "table_name")));
  }

  const std::string& column_;
  std::set<std::string> kept_;
  std::set<std::string> wide_;
};

}  // namespace

std::set<std::string> tables_within(const nlohmann::json& statement, const std::string& column) {
  return Reader(column).tables_within(statement);
}

}  // namespace millrace::batch
