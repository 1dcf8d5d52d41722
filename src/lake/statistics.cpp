#include "lake/statistics.hpp"

#include <date/date.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace millrace::lake {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kLeafColumnsMax = 32;
constexpr std::size_t kTextCharactersMax = 32;
constexpr const char* kHighestCharacter = "\xF4\x8F\xBF\xBF";  // U+10FFFF

enum class Bound : std::uint8_t { Min, Max };

// The first characters of a text; none if it is short enough to stand whole.
std::optional<std::string> cut_text(const std::string& text) {
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool starts_character = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts_character && characters++ == kTextCharactersMax) return text.substr(0, at);
  }
  return std::nullopt;
}

// `2026-11-20 12:16:39.5+00`: always UTC, whatever the session's zone.
std::optional<std::string> timestamp_bound(const std::string& text, Bound bound) {
  const auto time = base::parse_time(text);
  if (!time) return std::nullopt;
  auto millis = std::chrono::floor<std::chrono::milliseconds>(*time);
  if (bound == Bound::Max && millis < *time) millis += std::chrono::milliseconds(1);
  return date::format("%FT%TZ", millis);
}

std::optional<Json> number_bound(const std::string& text) {
  Json number = Json::parse(text, nullptr, false);
  if (!number.is_number()) return std::nullopt;
  return number;
}

// JSON text of the bound; DECIMAL keeps its digits, which a double would not.
std::optional<std::string> bound_text(const sql::Type& type, const ColumnFacts& facts,
                                      Bound bound) {
  const auto found = facts.find(bound == Bound::Min ? "min" : "max");
  if (found == facts.end()) return std::nullopt;
  const std::string& text = found->second;
  switch (type.id()) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_DECIMAL:
      return number_bound(text) ? std::optional(text) : std::nullopt;
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE: {
      const auto nan = facts.find("has_nan");
      if (nan != facts.end() && nan->second != "false") return std::nullopt;
      const auto number = number_bound(text);
      return number ? std::optional(number->dump()) : std::nullopt;
    }
    case DUCKDB_TYPE_DATE:
      return Json(text).dump();
    case DUCKDB_TYPE_TIMESTAMP_TZ: {
      const auto time = timestamp_bound(text, bound);
      return time ? std::optional(Json(*time).dump()) : std::nullopt;
    }
    case DUCKDB_TYPE_VARCHAR: {
      if (!base::is_utf8(text)) return std::nullopt;
      const auto cut = cut_text(text);
      if (!cut) return Json(text).dump();
      return Json(bound == Bound::Min ? *cut : *cut + kHighestCharacter).dump();
    }
    default:
      return std::nullopt;
  }
}

/// Builds the three objects side by side.
class Builder {
 public:
  explicit Builder(const std::map<std::string, ColumnFacts>& facts) : facts_(facts) {}

  struct Objects {
    std::vector<std::string> min, max, nulls;
  };

  void add(const std::string& name, const sql::Type& type, const std::string& path, Objects& into) {
    if (leaf_count_ >= kLeafColumnsMax) return;
    const std::string key = Json(name).dump() + ":";
    if (type.id() == DUCKDB_TYPE_STRUCT) {
      Objects inner;
      for (const auto& [field, field_type] : type.fields()) {
        add(field, field_type, path + "." + base::sql_name(field), inner);
      }
      push_object(key, inner.min, into.min);
      push_object(key, inner.max, into.max);
      push_object(key, inner.nulls, into.nulls);
      return;
    }
    ++leaf_count_;
    const auto found = facts_.find(path);
    if (found == facts_.end()) return;
    if (const auto min = bound_text(type, found->second, Bound::Min))
      into.min.push_back(key + *min);
    if (const auto max = bound_text(type, found->second, Bound::Max))
      into.max.push_back(key + *max);
    const auto nulls = found->second.find("null_count");
    if (nulls != found->second.end()) into.nulls.push_back(key + nulls->second);
  }

 private:
  static void push_object(const std::string& key, const std::vector<std::string>& parts,
                          std::vector<std::string>& into) {
    if (!parts.empty()) into.push_back(key + "{" + base::join(parts, ",") + "}");
  }

  const std::map<std::string, ColumnFacts>& facts_;
  int leaf_count_ = 0;
};

}  // namespace

std::string statistics_json(const Schema& schema, std::int64_t record_count,
                            const std::map<std::string, ColumnFacts>& facts) {
  Builder builder(facts);
  Builder::Objects objects;
  for (const auto& column : schema) {
    builder.add(column.name, column.type, base::sql_name(column.name), objects);
  }
  return fmt::format(
      "{{\"numRecords\":{},\"minValues\":{{{}}},\"maxValues\":{{{}}},\"nullCount\":{{{}}}}}",
      record_count, base::join(objects.min, ","), base::join(objects.max, ","),
      base::join(objects.nulls, ","));
}

}  // namespace millrace::lake
