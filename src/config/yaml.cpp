#include "config/yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace millrace::config {
namespace {

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

int indent_of(const std::string& line) {
  const auto first = line.find_first_not_of(' ');
  return first == std::string::npos ? 0 : static_cast<int>(first);
}

bool is_variable(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && std::ranges::all_of(name, fits) && (name[0] < '0' || name[0] > '9');
}

}  // namespace

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name[0] < 'a' || name[0] > 'z') return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

YamlFile::YamlFile(std::string_view text, std::string name, const Environment& environment)
    : lines_(split_lines(text)), name_(std::move(name)), environment_(environment) {}

Place YamlFile::place_of(const YAML::Node& node) const {
  const auto mark = node.Mark();
  return {name_, mark.line + 1, mark.column + 1};
}

void YamlFile::fail(const Place& place, std::string message) {
  errors_.emplace_back(place, std::move(message));
}

Problems YamlFile::take_problems() {
  std::ranges::stable_sort(errors_, {}, [](const auto& error) {
    return std::pair(error.first.line, error.first.column);
  });
  Problems problems;
  for (auto& [place, message] : errors_) {
    problems.errors.push_back({base::Code::Invalid, std::move(message), place.text()});
  }
  return problems;
}

std::vector<Entry> YamlFile::entries(const YAML::Node& node, const Place& place,
                                     std::string_view wanted) {
  std::vector<Entry> entries;
  if (!node.IsMap()) {
    fail(place, fmt::format("{} expected here", wanted));
    return entries;
  }
  std::set<std::string, std::less<>> seen;
  for (const auto& pair : node) {
    const Place key_place = place_of(pair.first);
    if (!pair.first.IsScalar()) {
      fail(key_place, "a key is a text");
      continue;
    }
    const std::string name = text_of(pair.first, key_place);
    if (!seen.insert(name).second) {
      fail(key_place, fmt::format("the key '{}' stands here twice", base::printable(name)));
      continue;
    }
    entries.push_back(
        {name, key_place, pair.second, pair.second.IsNull() ? key_place : place_of(pair.second)});
  }
  return entries;
}

std::vector<Entry> YamlFile::named_entries(const YAML::Node& node, const Place& place,
                                           std::string_view wanted) {
  auto all = entries(node, place, wanted);
  for (const auto& entry : all) {
    if (is_name(entry.name)) continue;
    fail(entry.place, fmt::format("'{}' is no name: a small letter, then small letters, digits and "
                                  "_, at most {}",
                                  base::printable(entry.name), kNameBytesMax));
  }
  return all;
}

std::string YamlFile::replaced(const std::string& text, const Place& place) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.compare(at, 2, "$$") == 0) {
      out += text[at++];
      continue;
    }
    if (text.compare(at, 2, "${") != 0) {
      out += text[at];
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string::npos) {
      fail(place, "'${' has no '}'; write '$$' for a plain '$'");
      return out;
    }
    const std::string inside = text.substr(at + 2, end - at - 2);
    const auto colon = inside.find(":-");
    const std::string variable = inside.substr(0, colon);
    at = end;
    if (!is_variable(variable)) {
      fail(place, fmt::format("'${{{}}}' is no variable; write ${{NAME}} or ${{NAME:-default}}",
                              base::printable(inside)));
      continue;
    }
    const auto value = environment_(variable);
    // As a shell does it: an empty variable counts as unset where there is a default.
    if (value && !(value->empty() && colon != std::string::npos)) {
      out += *value;
    } else if (colon != std::string::npos) {
      out += inside.substr(colon + 2);
    } else {
      fail(place,
           fmt::format("the environment variable {} is not set; set it, or write ${{{}:-default}}",
                       variable, variable));
    }
  }
  return out;
}

std::string YamlFile::text_of(const YAML::Node& node, const Place& place) {
  if (node.IsScalar()) return replaced(node.Scalar(), place);
  fail(place, node.IsNull() ? "a value is missing here"
                            : "one value is expected here, not a list or a mapping");
  return "";
}

SqlText YamlFile::sql_of(const YAML::Node& node, const Place& place) {
  const auto before = problem_count();
  SqlText sql{.text = text_of(node, place), .place = place};
  if (problem_count() == before && base::trimmed(sql.text).empty()) {
    fail(place, "SQL is expected here");
  }
  if (problem_count() != before) sql.text.clear();
  const auto row = static_cast<std::size_t>(std::max(sql.place.line - 1, 0));
  if (row >= lines_.size()) return sql;
  const auto column = static_cast<std::size_t>(std::max(sql.place.column - 1, 0));
  const char first = column < lines_[row].size() ? lines_[row][column] : ' ';
  if (first == '|' || first == '>') {
    // A block: its text starts on the next line, moved right by the indentation of its first line
    // that is not blank.
    std::size_t content = row + 1;
    while (content < lines_.size() && base::trimmed(lines_[content]).empty()) ++content;
    if (content < lines_.size()) {
      sql.indent = indent_of(lines_[content]);
      sql.place = {name_, static_cast<int>(row) + 2, sql.indent + 1};
    }
  } else if (first == '"' || first == '\'') {
    sql.place.column += 1;
  }
  return sql;
}

std::vector<std::string> YamlFile::text_list(const YAML::Node& node, const Place& place) {
  if (!node.IsSequence()) return {text_of(node, place)};
  std::vector<std::string> texts;
  for (const auto& item : node) texts.push_back(text_of(item));
  return texts;
}

}  // namespace millrace::config
