#include "config/differences.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>

#include "config/plain_value.hpp"

namespace millrace::config {
namespace {

using Found = std::optional<YAML::Node>;

// The value of a key; none if it is not there or `node` is no mapping.
Found value_of(const Found& node, const std::string& key) {
  if (!node || !node->IsMap()) return std::nullopt;
  for (const auto& entry : *node) {
    if (entry.first.Scalar() == key) return entry.second;
  }
  return std::nullopt;
}

bool is_same(const Found& one, const Found& other);

bool is_same_node(const YAML::Node& one, const YAML::Node& other) {
  if (one.Type() != other.Type()) return false;
  if (one.IsScalar()) {
    // Quotes only matter around what would be something else than a text without them.
    const bool is_text = type_of_plain_value(one.Scalar()).kind == ColumnType::Kind::Varchar;
    return one.Scalar() == other.Scalar() && (is_text || one.Tag() == other.Tag());
  }
  if (one.size() != other.size()) return false;
  if (one.IsSequence()) {
    return std::equal(one.begin(), one.end(), other.begin(), is_same_node);
  }
  return std::all_of(one.begin(), one.end(), [&](const auto& entry) {
    return is_same(entry.second, value_of(other, entry.first.Scalar()));
  });
}

bool is_same(const Found& one, const Found& other) {
  return one && other ? is_same_node(*one, *other) : !one && !other;
}

void add_keys(const Found& mapping, std::vector<std::string>& keys) {
  if (!mapping || !mapping->IsMap()) return;
  for (const auto& entry : *mapping) {
    const auto key = entry.first.Scalar();
    if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
}

// Keys of either mapping whose values differ, those of `after` first.
std::vector<std::string> changed_keys(const Found& before, const Found& after) {
  std::vector<std::string> keys;
  add_keys(after, keys);
  add_keys(before, keys);
  std::erase_if(keys, [&](const std::string& key) {
    return is_same(value_of(before, key), value_of(after, key));
  });
  return keys;
}

Difference::Kind kind_of(const Found& before, const Found& after) {
  if (!before) return Difference::Kind::Added;
  return after ? Difference::Kind::Changed : Difference::Kind::Removed;
}

// Sections whose entries have names that the pipeline gives.
constexpr std::string_view kNamed[] = {"sources", "lookups",    "tables", "jobs",
                                       "alerts",  "warehouses", "reports"};

}  // namespace

std::vector<Difference> differences(std::string_view before, std::string_view after) {
  const Found old_file = YAML::Load(std::string(before));
  const Found new_file = YAML::Load(std::string(after));
  std::vector<Difference> found;
  for (const auto& section : changed_keys(old_file, new_file)) {
    const auto olds = value_of(old_file, section), news = value_of(new_file, section);
    if (std::ranges::find(kNamed, section) == std::end(kNamed)) {
      found.push_back({kind_of(olds, news), section, "", {}});
      continue;
    }
    for (const auto& name : changed_keys(olds, news)) {
      const auto one = value_of(olds, name), other = value_of(news, name);
      found.push_back({kind_of(one, other), section, name,
                       one && other ? changed_keys(one, other) : std::vector<std::string>()});
    }
  }
  return found;
}

}  // namespace millrace::config
