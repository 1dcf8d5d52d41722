#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

enum class ValueKind : std::uint8_t {
  Text,
  Integer,
  Boolean,
  Duration,
  Bytes,
  Sql,
  Words,
  Object,
  MapOf,
  ListOf,
  TextList,
  Any,
};

/// One key that a section of the pipeline file may have. This table is the one truth: it checks
/// files, gives editors their JSON Schema and users their reference page.
struct KeyRule {
  std::string_view key;
  ValueKind kind;
  std::string_view of;  ///< Object, MapOf, ListOf: the section; Words: `json|csv`
  bool is_required = false;
  std::string_view fallback;  ///< what it is if left out, for people
  std::string_view doc;
  bool is_available = true;  ///< false: known, but of a later version
};

struct SectionRule {
  std::string_view name;
  std::string_view doc;
  std::vector<KeyRule> keys;
};

/// All sections; the first is the file itself.
const std::vector<SectionRule>& section_rules();
const SectionRule& section_rule(std::string_view name);

/// A JSON Schema (draft 2020-12) of the pipeline file, for editors.
std::string json_schema();
/// The reference page of the pipeline file, in Markdown.
std::string reference_page();

}  // namespace millrace::config
