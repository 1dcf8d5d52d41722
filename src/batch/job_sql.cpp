#include "batch/job_sql.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "batch/partition_reads.hpp"
#include "sql/parse_select.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::Each;
using sql::word;
using Json = nlohmann::json;

// Table functions that make rows out of their arguments alone.
const FunctionNames kPureTableFunctions{"range", "generate_series", "unnest", "json_each",
                                        "json_tree"};

// What SQL writes without brackets.
const FunctionNames kValueNames{"current_date", "current_time",   "current_timestamp",
                                "localtime",    "localtimestamp", "current_user",
                                "session_user", "user",           "current_role"};

// What stands under casts.
const Json& uncast(const Json& node) {
  return word(node, "class") == "CAST" ? uncast(node.at("child")) : node;
}

bool is_parameter(const Json& node) {
  return word(uncast(node), "class") == "PARAMETER";
}

// The innermost constant of an interval: INTERVAL 1 HOUR is to_hours(CAST(trunc(CAST(1 AS …)))).
std::string constant_of(const Json& node) {
  const Json& inner = uncast(node);
  if (word(inner, "class") == "CONSTANT") {
    const auto& value = inner.at("value");
    if (!value.contains("value")) return "";
    return value.at("value").is_string() ? lower_case(value.at("value").get<std::string>())
                                         : value.at("value").dump();
  }
  const bool has_one = word(inner, "class") == "FUNCTION" && inner.at("children").size() == 1;
  return has_one ? constant_of(inner.at("children").at(0)) : "";
}

/// Walks a parsed statement; finds the first thing that a job may not do, and whether it keeps to
/// its partition.
class Checker {
 public:
  Checker(const FunctionNames& varying, const config::Job& job) : varying_(varying), job_(job) {}

  Result<void> walk(const Json& statement) { return visit(statement); }

  bool stays_within() const {
    const bool is_bounded = equals_ > 0 || (lower_bounds_ > 0 && upper_bounds_ > 0);
    return !is_wide_ && is_bounded;
  }

 private:
  static Error refusal(const Json& at, std::string message) {
    Error error{Code::Invalid, std::move(message)};
    const auto location = at.value("query_location", UINT64_MAX);
    if (location != UINT64_MAX) error.place = fmt::format("byte {}", location);
    return error;
  }

  Result<void> visit(const Json& node) {
    if (node.is_array()) {
      for (const auto& child : node) TRY(visit(child));
    }
    if (!node.is_object()) return {};
    TRY(check(node));
    const auto type = word(node, "type");
    const bool is_certain = depth_uncertain_ == 0;
    if (is_certain && word(node, "class") == "COMPARISON") return visit_comparison(node);
    if (is_certain && word(node, "class") == "BETWEEN") return visit_between(node);
    // What stands below these need not hold for the rows that are read.
    const bool is_uncertain =
        type == "CONJUNCTION_OR" || type == "OPERATOR_NOT" || word(node, "class") == "CASE";
    depth_uncertain_ += is_uncertain ? 1 : 0;
    auto visited = visit_children(node);
    depth_uncertain_ -= is_uncertain ? 1 : 0;
    return visited;
  }

  Result<void> visit_children(const Json& node) {
    for (const auto& [key, child] : node.items()) {
      if (key == "select_list") {
        TRY(visit_select_list(child));
      } else {
        TRY(visit(child));
      }
    }
    return {};
  }

  Result<void> check(const Json& node) {
    const std::string kind = word(node, "class");
    if (kind == "PARAMETER") {
      is_wide_ = true;  // those in a place that is known to be harmless are not visited
      return check_parameter(node);
    }
    if (word(node, "type") == "TABLE_FUNCTION") {
      const auto name = lower_case(word(node.at("function"), "function_name"));
      if (!kPureTableFunctions.contains(name)) {
        return refusal(node, fmt::format("a job reads tables only, not {}()", name));
      }
    }
    if (node.contains("sample") && !node.at("sample").is_null()) {
      return refusal(node, "a sample is another one each time; filter with WHERE");
    }
    const bool is_call = kind == "FUNCTION";
    const bool is_name = kind == "COLUMN_REF" && node.at("column_names").size() == 1;
    if (!is_call && !is_name) return {};
    const auto name = lower_case(is_call ? word(node, "function_name")
                                         : node.at("column_names").at(0).get<std::string>());
    if (!(is_call ? varying_ : kValueNames).contains(name)) return {};
    return refusal(node,
                   fmt::format("{} gives another answer each time; a job's result may depend "
                               "on its tables{} only",
                               name, job_.each == Each::None ? "" : " and $" + job_.each_column));
  }

  Result<void> check_parameter(const Json& node) const {
    const auto name = word(node, "identifier");
    if (job_.each != Each::None && name == job_.each_column) return {};
    return Error{Code::Invalid,
                 job_.each == Each::None
                     ? fmt::format("there is no ${}: a job has a parameter only with `each: day` "
                                   "or `each: hour`",
                                   name)
                     : fmt::format("there is no ${}; this job has ${}", name, job_.each_column)};
  }

  // `SELECT $day AS d` reads nothing.
  Result<void> visit_select_list(const Json& list) {
    for (const auto& item : list) {
      if (is_parameter(item)) {
        TRY(check_parameter(uncast(item)));
      } else {
        TRY(visit(item));
      }
    }
    return {};
  }

  Result<void> visit_comparison(const Json& node) {
    const auto type = word(node, "type");
    const bool is_equal = type == "COMPARE_EQUAL";
    const bool is_less = type.starts_with("COMPARE_LESS");
    const bool is_greater = type.starts_with("COMPARE_GREATER");
    const Json& small = is_less ? node.at("left") : node.at("right");
    const Json& large = is_less ? node.at("right") : node.at("left");
    // On either side of `=`; where the other side is the larger; one step on where it is smaller.
    if (is_equal && is_parameter(small)) {
      ++equals_;
      TRY(check_parameter(uncast(small)));
      return visit(large);
    }
    if (is_equal && is_parameter(large)) {
      ++equals_;
      TRY(check_parameter(uncast(large)));
      return visit(small);
    }
    if ((is_less || is_greater) && is_parameter(small)) {
      ++lower_bounds_;
      TRY(check_parameter(uncast(small)));
      return visit(large);
    }
    if ((is_less || is_greater) && is_one_step_on(large)) {
      ++upper_bounds_;
      return visit(small);
    }
    TRY(visit(small));
    return visit(large);
  }

  Result<void> visit_between(const Json& node) {
    const Json& first = node.at("lower");
    const Json& last = node.at("upper");
    if (is_parameter(first) && (is_parameter(last) || is_one_step_on(last))) {
      ++equals_;
      TRY(check_parameter(uncast(first)));
      return visit(node.at("input"));
    }
    TRY(visit(node.at("input")));
    TRY(visit(first));
    return visit(last);
  }

  // `$day + 1`, `$hour + INTERVAL 1 HOUR`
  bool is_one_step_on(const Json& node) const {
    const Json& sum = uncast(node);
    if (word(sum, "function_name") != "+" || sum.at("children").size() != 2) return false;
    const Json& step = uncast(sum.at("children").at(1));
    const Json& parameter = uncast(sum.at("children").at(0));
    if (!is_parameter(parameter) || word(parameter, "identifier") != job_.each_column) return false;
    const auto count = constant_of(step);
    const auto unit = word(step, "function_name");
    if (job_.each == Each::Hour) {
      return (unit == "to_hours" && count == "1") || (unit == "to_minutes" && count == "60") ||
             count == "1 hour";
    }
    return (unit == "to_days" && count == "1") || (unit.empty() && count == "1") ||
           count == "1 day";
  }

  const FunctionNames& varying_;
  const config::Job& job_;
  bool is_wide_ = false;
  int depth_uncertain_ = 0;
  int equals_ = 0;
  int lower_bounds_ = 0;
  int upper_bounds_ = 0;
};

// Names by which SQL can mean a whole row: of tables, and of what stands in FROM.
void add_row_names(const Json& node, FunctionNames& names) {
  const auto type = word(node, "type");
  if (type == "BASE_TABLE") names.insert(lower_case(word(node, "table_name")));
  if (type == "BASE_TABLE" || type == "SUBQUERY") names.insert(lower_case(word(node, "alias")));
  if (node.is_structured()) {
    for (const auto& child : node) add_row_names(child, names);
  }
}

bool reads_all_columns(const Json& node, const FunctionNames& rows) {
  if (word(node, "class") == "STAR" || word(node, "ref_type") == "NATURAL") return true;
  if (word(node, "class") == "COLUMN_REF" && node.at("column_names").size() == 1 &&
      rows.contains(lower_case(node.at("column_names").at(0).get<std::string>()))) {
    return true;
  }
  return node.is_structured() && std::ranges::any_of(node, [&](const Json& child) {
           return reads_all_columns(child, rows);
         });
}

// A function that varies, a value that does (`current_date`), or a table function that reads.
bool reads_more_than_tables(const Json& node, const FunctionNames& varying) {
  const auto reads_more = [&](const Json& child) { return reads_more_than_tables(child, varying); };
  if (node.is_array()) return std::ranges::any_of(node, reads_more);
  if (!node.is_object()) return false;
  const auto kind = word(node, "class");
  if (kind == "FUNCTION" && varying.contains(lower_case(word(node, "function_name")))) return true;
  if (kind == "COLUMN_REF" && node.at("column_names").size() == 1 &&
      kValueNames.contains(lower_case(node.at("column_names").at(0).get<std::string>()))) {
    return true;
  }
  if (word(node, "type") == "TABLE_FUNCTION" &&
      !kPureTableFunctions.contains(lower_case(word(node.at("function"), "function_name")))) {
    return true;
  }
  if (node.contains("sample") && !node.at("sample").is_null()) return true;
  return std::ranges::any_of(node, reads_more);
}

// Where the string, quoted name or comment that starts at `at` ends; `at` itself if none does.
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
  const auto after = [&](std::string_view closing, std::size_t from) {
    const auto found = text.find(closing, from);
    return found == std::string_view::npos ? text.size() : found + closing.size();
  };
  const char c = text[at];
  if (c == '"') return after("\"", at + 1);
  if (c == '\'') {
    const bool has_escapes = at > 0 && (text[at - 1] == 'e' || text[at - 1] == 'E');
    for (std::size_t i = at + 1; i < text.size(); ++i) {
      if (has_escapes && text[i] == '\\') {
        ++i;
      } else if (text[i] == '\'') {
        return i + 1;
      }
    }
    return text.size();
  }
  if (text.substr(at).starts_with("--")) return after("\n", at);
  if (text.substr(at).starts_with("/*")) return after("*/", at + 2);
  if (c != '$') return at;
  // $tag$ … $tag$
  auto tag_end = at + 1;
  while (tag_end < text.size() &&
         (std::isalnum(static_cast<unsigned char>(text[tag_end])) != 0 || text[tag_end] == '_')) {
    ++tag_end;
  }
  if (tag_end == text.size() || text[tag_end] != '$') return at;
  return after(text.substr(at, tag_end + 1 - at), tag_end + 1);
}

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}

}  // namespace

Result<bool> depends_on_tables_alone(sql::Connection& connection, std::string_view text,
                                     const FunctionNames& varying) {
  const Json parsed = TRY(sql::parse_select(connection, text));
  return !reads_more_than_tables(parsed.at("statements").at(0), varying);
}

Result<JobSql> parse_job_sql(sql::Connection& connection, std::string_view text,
                             const config::Job& job, const FunctionNames& varying) {
  JobSql found;
  found.tables = TRY(sql::tables_of(connection, text));
  const Json parsed = TRY(sql::parse_select(connection, text));
  const Json& statement = parsed.at("statements").at(0);
  Checker checker(varying, job);
  TRY(checker.walk(statement));
  found.stays_within = checker.stays_within();
  FunctionNames rows;
  add_row_names(statement, rows);
  found.reads_all_columns = reads_all_columns(statement, rows);
  found.within = tables_within(statement, job.each_column);
  return found;
}

std::string with_parameter(std::string_view text, std::string_view name, std::string_view literal) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = end_of_quoted(text, at);
    if (end > at) {
      out += text.substr(at, end - at);
      at = end;
      continue;
    }
    const auto after = at + 1 + name.size();
    const bool is_ours = text[at] == '$' && text.substr(at + 1).starts_with(name) &&
                         (after >= text.size() || !is_name_character(text[after]));
    if (is_ours) {
      out += fmt::format("({})", literal);
      at = after;
    } else {
      out += text[at++];
    }
  }
  return out;
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string_view without_semicolon(std::string_view text) {
  text = base::trimmed(text);
  while (text.ends_with(';')) text = base::trimmed(text.substr(0, text.size() - 1));
  return text;
}

}  // namespace millrace::batch
