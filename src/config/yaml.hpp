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

/// One entry of a mapping. An empty value stands nowhere: its place is its key's.
struct Entry {
  std::string name;
  Place place;
  YAML::Node value;
  Place value_place;
};

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

  /// The entries of a mapping; keys that occur twice, or are no text, are reported and left out.
  /// `wanted` says what should be there: `columns are`.
  std::vector<Entry> entries(const YAML::Node& node, const Place& place, std::string_view wanted);
  /// The same, where each key is a name that the pipeline gives.
  std::vector<Entry> named_entries(const YAML::Node& node, const Place& place,
                                   std::string_view wanted);

  /// A scalar's text with its variables replaced.
  std::string text_of(const YAML::Node& node, const Place& place);
  std::string text_of(const YAML::Node& node) { return text_of(node, place_of(node)); }
  std::string text_of(const Entry& entry) { return text_of(entry.value, entry.value_place); }
  /// The same of an SQL text, which must not be empty, and where its characters stand.
  SqlText sql_of(const YAML::Node& node, const Place& place);
  SqlText sql_of(const Entry& entry) { return sql_of(entry.value, entry.value_place); }
  std::vector<std::string> text_list(const YAML::Node& node, const Place& place);

  std::size_t problem_count() const { return errors_.size(); }
  Problems take_problems();

 private:
  std::string replaced(const std::string& text, const Place& place);

  std::vector<std::string> lines_;
  const std::string name_;
  const Environment& environment_;
  std::vector<std::pair<Place, std::string>> errors_;
};

/// One mapping of the file, checked against the rules of its section: unknown, repeated, missing
/// and not yet available keys are reported when it is opened. What a key is if it is left out, and
/// within which range it must be, say the rules.
class Section {
 public:
  Section(YamlFile& file, const Entry& entry, std::string_view section);

  bool has(const char* key) const { return values_.contains(key); }
  /// Left out, but a key that nobody knows is near it.
  bool may_be_misspelt(const char* key) const;
  const Entry& entry(const char* key) const { return values_.at(key); }
  const Place& place() const { return place_; }
  Place place_of(const char* key) const;

  std::string text(const char* key);
  SqlText sql(const char* key);
  std::vector<std::string> texts(const char* key);
  std::chrono::microseconds duration(const char* key);  ///< 0 if left out without a fallback
  std::uint64_t bytes(const char* key);
  int integer(const char* key);
  bool boolean(const char* key);
  /// One of the words of the key's rule.
  std::string word(const char* key);
  /// The entries of a key that is a mapping; none if it is left out.
  std::vector<Entry> entries(const char* key, std::string_view wanted);
  std::vector<Entry> named_entries(const char* key, std::string_view wanted);

 private:
  void check_keys(const std::vector<Entry>& entries, std::string_view section);
  const KeyRule& rule(const char* key) const;
  template <class T>
  T measured(const char* key, base::Result<T> (*parse)(std::string_view));

  YamlFile& file_;
  const SectionRule& rule_;
  Place place_;
  std::vector<std::string> unknown_;
  std::map<std::string, Entry, std::less<>> values_;
};

/// A name that the pipeline gives: a small letter, then small letters, digits and `_`.
bool is_name(std::string_view name);
constexpr std::size_t kNameBytesMax = 64;

}  // namespace millrace::config
