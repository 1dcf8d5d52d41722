#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/pipeline.hpp"
#include "config/read.hpp"
#include "config/schema.hpp"

namespace millrace::config {

/// A pipeline file while it is read: its text for places, its environment, and what was found
/// wrong.
class YamlFile {
 public:
  YamlFile(std::string_view text, std::string name, const Environment& environment);

  Place place_of(const YAML::Node& node) const;
  void fail(const Place& place, std::string message);
  void fail(const YAML::Node& node, std::string message) {
    fail(place_of(node), std::move(message));
  }

  /// A scalar's text with its variables replaced.
  std::string text_of(const YAML::Node& node);
  /// The same, and where its characters stand.
  SqlText sql_of(const YAML::Node& node);
  std::vector<std::string> text_list(const YAML::Node& node);

  bool has_problems() const { return !errors_.empty(); }
  Problems take_problems();

 private:
  std::string replaced(const std::string& text, const Place& place);

  std::vector<std::string> lines_;
  const std::string name_;
  const Environment& environment_;
  std::vector<std::pair<Place, std::string>> errors_;
};

/// One mapping of the file, checked against the rules of its section: unknown, repeated, missing
/// and not yet available keys are reported when it is opened.
class Section {
 public:
  Section(YamlFile& file, const YAML::Node& node, std::string_view section);

  bool has(const char* key) const { return values_.contains(key); }
  YAML::Node node(const char* key) const { return values_.at(key); }
  const Place& place() const { return place_; }
  Place place_of(const char* key) const;

  std::string text(const char* key, std::string fallback = "");
  SqlText sql(const char* key);
  std::vector<std::string> texts(const char* key);
  std::chrono::microseconds duration(const char* key, std::chrono::microseconds fallback);
  std::uint64_t bytes(const char* key, std::uint64_t fallback);
  int integer(const char* key, int fallback, int first, int last);
  bool boolean(const char* key, bool fallback);
  /// One of the words of the key's rule.
  std::string word(const char* key, std::string fallback);

 private:
  YamlFile& file_;
  const SectionRule& rule_;
  Place place_;
  std::map<std::string, YAML::Node> values_;
};

}  // namespace millrace::config
