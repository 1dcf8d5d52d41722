#pragma once

#include <cstdint>
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
  Words,         ///< one of some words
  Object,        ///< one section
  TextOrObject,  ///< one section, or a text in place of its first key
  MapOf,         ///< names and a section for each
  ListOf,        ///< a list of sections
  TextList,      ///< a list of texts, or one text
  TextMap,       ///< names and a text for each
  Columns,       ///< names and a type for each
  SqlPairs,      ///< a list of pairs of SQL texts
  Parameters,    ///< names and a default for each, or `{type: …, default: …}`
  Records,       ///< names and a list of raw records for each
  Expected,      ///< a table's SQL and its rows, or a list of such
  Any,
};

/// One key that a section of the pipeline file may have. This table is the one truth: it checks
/// files, gives editors their JSON Schema and users their reference page.
struct KeyRule {
  std::string_view key;
  ValueKind kind;
  /// Object, TextOrObject, MapOf, ListOf: the section. Words: `json|csv`. Integer, Duration, Bytes:
  /// the range, `1..256`.
  std::string_view of;
  bool is_required = false;
  std::string_view fallback;  ///< what it is if left out
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

/// The parts of `json|csv`.
std::vector<std::string> words_of(std::string_view words);
/// The ends of `1..256`.
std::pair<std::string_view, std::string_view> ends_of(std::string_view range);

/// A JSON Schema (draft 2020-12) of the pipeline file, for editors.
std::string json_schema();
/// The reference page of the pipeline file, in Markdown.
std::string reference_page();
/// The pipeline that the reference page shows.
std::string_view example_pipeline();

}  // namespace millrace::config
