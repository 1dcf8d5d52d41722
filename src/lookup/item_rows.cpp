#include "lookup/item_rows.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "sql/render.hpp"

namespace millrace::lookup {
namespace {

using aws::Attribute;
using base::Code;
using base::Error;
using base::Result;
using Kind = aws::Attribute::Kind;

constexpr std::size_t kColumnsMax = 1000;
constexpr int kDigitsMax = 38;

constexpr std::uint32_t bit(Kind kind) {
  return std::uint32_t{1} << static_cast<unsigned>(kind);
}
constexpr std::uint32_t kScalars =
    bit(Kind::Bool) | bit(Kind::Number) | bit(Kind::Text) | bit(Kind::Binary);

bool is_set(Kind kind) {
  return kind == Kind::NumberSet || kind == Kind::TextSet || kind == Kind::BinarySet;
}

/// How values are written: as columns of SQL types, or as parts of a JSON value.
enum class Within : std::uint8_t { Column, Json };

void append_value(const Attribute& value, Within within, std::string& out);

void append_list(const std::vector<Attribute>& elements, Within within, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (i > 0) out += ',';
    append_value(elements[i], within, out);
  }
  out += ']';
}

void append_fields(const std::vector<aws::NamedAttribute>& fields, Within within,
                   std::string& out) {
  out += '{';
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ',';
    sql::append_json_string(fields[i].name, out);
    out += ':';
    append_value(fields[i].value, within, out);
  }
  out += '}';
}

void append_value(const Attribute& value, Within within, std::string& out) {
  const bool is_json = within == Within::Json;
  switch (value.kind) {
    case Kind::Null:
      out += "null";
      return;
    case Kind::Bool:
      out += value.text;
      return;
    case Kind::Number:
      if (is_json) {
        out += value.text;
      } else {
        sql::append_json_string(value.text, out);
      }
      return;
    case Kind::Text:
      sql::append_json_string(value.text, out);
      return;
    case Kind::Binary:
      sql::append_json_string(base::base64(value.text), out);
      return;
    case Kind::Map:
      append_fields(value.fields, within, out);
      return;
    default:
      append_list(value.elements, within, out);
  }
}

// Digits before and behind the point: of `-12.50` and `1.25E1`, 2 and 1.
std::pair<int, int> digits_of(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto mark = std::min(text.find_first_of("eE"), text.size());
  int exponent = 0;
  if (mark < text.size()) {
    auto power = text.substr(mark + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    std::from_chars(power.data(), power.data() + power.size(), exponent);
  }
  auto number = text.substr(0, mark);
  const auto point = std::min(number.find('.'), number.size());
  std::string digits(number.substr(0, point));
  if (point < number.size()) digits += number.substr(point + 1);
  auto integers = static_cast<int>(point) + exponent;
  const auto leading = std::min(digits.find_first_not_of('0'), digits.size());
  integers -= static_cast<int>(leading);
  digits.erase(0, leading);
  while (digits.ends_with('0')) digits.pop_back();
  if (digits.empty()) return {0, 0};
  return {std::max(integers, 0), std::max(static_cast<int>(digits.size()) - integers, 0)};
}

sql::Type number_type(const AttributeSeen& seen) {
  const int digits = seen.integer_digits + seen.scale;
  if (seen.scale == 0 && digits <= 18) return sql::Type(DUCKDB_TYPE_BIGINT);
  if (digits > kDigitsMax) return sql::Type(DUCKDB_TYPE_DOUBLE);
  // Numbers of the next version may be longer.
  return sql::Type::decimal(seen.scale > 0 && digits <= 18 ? 18 : kDigitsMax,
                            static_cast<std::uint8_t>(seen.scale));
}

sql::Type type_of(const AttributeSeen& seen, const AttributeSeen* elements) {
  const auto kinds = seen.kinds & ~bit(Kind::Null);
  if (kinds == bit(Kind::Bool)) return sql::Type(DUCKDB_TYPE_BOOLEAN);
  if (kinds == bit(Kind::Number)) return number_type(seen);
  if (kinds == bit(Kind::Binary)) return sql::Type(DUCKDB_TYPE_BLOB);
  if (kinds == bit(Kind::NumberSet)) return sql::Type::list(number_type(*elements));
  if (kinds == bit(Kind::TextSet)) return sql::Type::list(sql::Type(DUCKDB_TYPE_VARCHAR));
  if (kinds == bit(Kind::BinarySet)) return sql::Type::list(sql::Type(DUCKDB_TYPE_BLOB));
  return (kinds & ~kScalars) == 0 ? sql::Type(DUCKDB_TYPE_VARCHAR) : sql::Type::json();
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

void AttributeSeen::add_number(std::string_view digits) {
  const auto [integers, behind] = digits_of(digits);
  integer_digits = std::max(integer_digits, integers);
  scale = std::max(scale, behind);
}

void AttributeSeen::merge(const AttributeSeen& other) {
  kinds |= other.kinds;
  integer_digits = std::max(integer_digits, other.integer_digits);
  scale = std::max(scale, other.scale);
}

void ItemRows::see(const std::string& name, const Attribute& value) {
  auto& seen = seen_[name];
  seen.kinds |= bit(value.kind);
  if (value.kind == Kind::Number) seen.add_number(value.text);
  if (!is_set(value.kind)) return;
  auto& elements = elements_[name];
  if (value.kind != Kind::NumberSet) return;
  for (const auto& element : value.elements) elements.add_number(element.text);
}

void ItemRows::append(const aws::Item& item, std::string& out) {
  const auto begin = out.size();
  out += '{';
  for (const auto& [name, value] : item) {
    see(name, value);
    if (out.size() > begin + 1) out += ',';
    sql::append_json_string(name, out);
    out += ':';
    const bool is_nested = value.kind == Kind::Map || value.kind == Kind::List;
    if (is_nested && std::ranges::find(nested_, name) == nested_.end()) {
      std::string json;
      append_value(value, Within::Json, json);
      sql::append_json_string(json, out);
    } else {
      append_value(value, Within::Column, out);
    }
  }
  out += "}\n";
  ++count_;
  hash_sum_ += XXH3_64bits(out.data() + begin, out.size() - begin);
}

void ItemRows::merge(const ItemRows& other) {
  count_ += other.count_;
  hash_sum_ += other.hash_sum_;
  for (const auto& [name, seen] : other.seen_) seen_[name].merge(seen);
  for (const auto& [name, seen] : other.elements_) elements_[name].merge(seen);
}

std::string ItemRows::fingerprint() const {
  return fmt::format("{} {:016x}", count_, hash_sum_);
}

Result<std::vector<sql::Column>> ItemRows::columns(
    std::span<const aws::TableDescription::Key> first) const {
  std::vector<sql::Column> columns;
  std::set<std::string> lowered;
  const auto add = [&](const std::string& name, sql::Type type) -> Result<void> {
    if (!lowered.insert(lower(name)).second) {
      return Error{Code::Invalid,
                   fmt::format("attributes '{}' differ in letter case only, which SQL does not "
                               "tell apart: name those that you want in `columns`",
                               base::printable(name))};
    }
    columns.push_back({name, std::move(type)});
    return {};
  };
  for (const auto& key : first) {
    AttributeSeen seen{.kinds = bit(key.kind)};
    if (const auto known = seen_.find(key.name); known != seen_.end()) seen.merge(known->second);
    TRY(add(key.name, type_of(seen, nullptr)));
  }
  for (const auto& [name, seen] : seen_) {
    if (std::ranges::find(first, name, &aws::TableDescription::Key::name) != first.end()) continue;
    const auto elements = elements_.find(name);
    TRY(add(name, type_of(seen, elements == elements_.end() ? nullptr : &elements->second)));
  }
  if (columns.size() <= kColumnsMax) return columns;
  return Error{Code::Invalid,
               fmt::format("the items have {} different attributes, {} is the limit: name those "
                           "that you want in `columns`",
                           columns.size(), kColumnsMax)};
}

}  // namespace millrace::lookup
