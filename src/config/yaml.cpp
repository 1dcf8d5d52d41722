#include "config/yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "base/units.hpp"

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

std::vector<std::string> words_of(std::string_view words) {
  std::vector<std::string> list;
  for (std::size_t at = 0; at <= words.size();) {
    const auto end = std::min(words.find('|', at), words.size());
    list.emplace_back(words.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

}  // namespace

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
    const auto value = environment_(variable);
    if (value) {
      out += *value;
    } else if (colon != std::string::npos) {
      out += inside.substr(colon + 2);
    } else {
      fail(place,
           fmt::format("the environment variable {} is not set; set it, or write ${{{}:-default}}",
                       variable, variable));
    }
    at = end;
  }
  return out;
}

std::string YamlFile::text_of(const YAML::Node& node) {
  if (!node.IsScalar()) {
    fail(node, "one value is expected here, not a list or a mapping");
    return "";
  }
  return replaced(node.Scalar(), place_of(node));
}

SqlText YamlFile::sql_of(const YAML::Node& node) {
  SqlText sql{.text = text_of(node), .place = place_of(node)};
  const auto row = static_cast<std::size_t>(std::max(sql.place.line - 1, 0));
  if (row >= lines_.size()) return sql;
  const auto column = static_cast<std::size_t>(std::max(sql.place.column - 1, 0));
  const char first = column < lines_[row].size() ? lines_[row][column] : ' ';
  if (first == '|' || first == '>') {
    // A block: its text starts on the next line that is not blank, moved right by that line's
    // indentation.
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

std::vector<std::string> YamlFile::text_list(const YAML::Node& node) {
  std::vector<std::string> texts;
  if (node.IsScalar()) return {text_of(node)};
  if (!node.IsSequence()) fail(node, "a list is expected here");
  if (node.IsSequence()) {
    for (const auto& item : node) texts.push_back(text_of(item));
  }
  return texts;
}

Section::Section(YamlFile& file, const YAML::Node& node, std::string_view section)
    : file_(file), rule_(section_rule(section)), place_(file.place_of(node)) {
  if (!node.IsMap()) {
    file_.fail(node, fmt::format("a mapping with the keys of a {} is expected here", section));
    return;
  }
  std::vector<std::string> known;
  for (const auto& rule : rule_.keys) {
    if (rule.is_available) known.emplace_back(rule.key);
  }
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const auto found = std::ranges::find(rule_.keys, key, &KeyRule::key);
    if (found == rule_.keys.end()) {
      file_.fail(entry.first, fmt::format("unknown key '{}' in a {}{}", base::printable(key),
                                          section, base::did_you_mean(key, known)));
    } else if (!found->is_available) {
      file_.fail(entry.first, fmt::format("'{}' is not available in this version", key));
    } else if (!values_.emplace(key, entry.second).second) {
      file_.fail(entry.first, fmt::format("the key '{}' stands here twice", key));
    }
  }
  for (const auto& rule : rule_.keys) {
    if (rule.is_required && !values_.contains(std::string(rule.key))) {
      file_.fail(place_, fmt::format("the key '{}' is missing: {}", rule.key, rule.doc));
    }
  }
}

Place Section::place_of(const char* key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? place_ : file_.place_of(found->second);
}

std::string Section::text(const char* key, std::string fallback) {
  return has(key) ? file_.text_of(node(key)) : fallback;
}

SqlText Section::sql(const char* key) {
  if (has(key)) return file_.sql_of(node(key));
  return {.text = "", .place = place_};
}

std::vector<std::string> Section::texts(const char* key) {
  return has(key) ? file_.text_list(node(key)) : std::vector<std::string>{};
}

std::chrono::microseconds Section::duration(const char* key, std::chrono::microseconds fallback) {
  if (!has(key)) return fallback;
  const auto value = base::parse_duration(text(key));
  if (value) return *value;
  file_.fail(place_of(key), fmt::format("{}: {}", key, value.error().message));
  return fallback;
}

std::uint64_t Section::bytes(const char* key, std::uint64_t fallback) {
  if (!has(key)) return fallback;
  const auto value = base::parse_bytes(text(key));
  if (value) return *value;
  file_.fail(place_of(key), fmt::format("{}: {}", key, value.error().message));
  return fallback;
}

int Section::integer(const char* key, int fallback, int first, int last) {
  if (!has(key)) return fallback;
  const std::string value = text(key);
  int number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_whole = read.ec == std::errc{} && read.ptr == value.data() + value.size();
  if (is_whole && number >= first && number <= last) return number;
  file_.fail(place_of(key), fmt::format("{}: '{}' is not a whole number within {} to {}", key,
                                        value, first, last));
  return fallback;
}

bool Section::boolean(const char* key, bool fallback) {
  if (!has(key)) return fallback;
  const std::string value = text(key);
  if (value == "true" || value == "false") return value == "true";
  file_.fail(place_of(key), fmt::format("{}: '{}' is neither true nor false", key, value));
  return fallback;
}

std::string Section::word(const char* key, std::string fallback) {
  if (!has(key)) return fallback;
  const std::string value = text(key);
  const auto rule = std::ranges::find(rule_.keys, key, &KeyRule::key);
  const auto words = words_of(rule->of);
  if (std::ranges::find(words, value) != words.end()) return value;
  file_.fail(place_of(key), fmt::format("{}: '{}' is not one of {}{}", key, base::printable(value),
                                        base::join(words, ", "), base::did_you_mean(value, words)));
  return fallback;
}

}  // namespace millrace::config
