#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "base/units.hpp"
#include "config/yaml.hpp"

namespace millrace::config {
namespace {

using base::Code;
using base::Error;
using base::Result;

Result<int> parse_integer(std::string_view text) {
  int number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc{} && read.ptr == text.data() + text.size()) return number;
  return Error{Code::Invalid, fmt::format("'{}' is not a whole number", base::printable(text))};
}

std::string with_article(std::string_view noun) {
  const bool is_vowel = std::string_view("aeiou").find(noun.front()) != std::string_view::npos;
  return fmt::format("{} {}", is_vowel ? "an" : "a", noun);
}

}  // namespace

Section::Section(YamlFile& file, const Entry& entry, std::string_view section)
    : file_(file), rule_(section_rule(section)), place_(entry.value_place) {
  const std::string wanted = fmt::format("a mapping with the keys of {} is", with_article(section));
  if (!entry.value.IsMap()) {
    file_.fail(place_, wanted + " expected here");
    return;
  }
  check_keys(file_.entries(entry.value, place_, wanted), section);
  for (const auto& key : rule_.keys) {
    if (key.is_required && key.is_available && !values_.contains(key.key)) {
      file_.fail(place_, fmt::format("the key '{}' is missing: {}", key.key, key.doc));
    }
  }
}

void Section::check_keys(const std::vector<Entry>& entries, std::string_view section) {
  std::vector<std::string> known;
  for (const auto& key : rule_.keys) {
    if (key.is_available) known.emplace_back(key.key);
  }
  for (const auto& entry : entries) {
    const auto found = std::ranges::find(rule_.keys, entry.name, &KeyRule::key);
    if (found == rule_.keys.end()) {
      unknown_.push_back(entry.name);
      const auto near = base::did_you_mean(entry.name, known);
      file_.fail(entry.place,
                 fmt::format("unknown key '{}' in {}{}", base::printable(entry.name),
                             with_article(section),
                             near.empty() ? "; known: " + base::join(known, ", ") : near));
    } else if (!found->is_available) {
      file_.fail(entry.place, fmt::format("'{}' is not available in this version", entry.name));
    } else {
      values_.emplace(entry.name, entry);
    }
  }
}

bool Section::may_be_misspelt(const char* key) const {
  return !has(key) && std::ranges::any_of(unknown_, [&](const std::string& name) {
    return !base::did_you_mean(name, std::vector<std::string>{key}).empty();
  });
}

const KeyRule& Section::rule(const char* key) const {
  const auto found = std::ranges::find(rule_.keys, key, &KeyRule::key);
  CHECK(found != rule_.keys.end());
  return *found;
}

Place Section::place_of(const char* key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? place_ : found->second.value_place;
}

std::string Section::text(const char* key) {
  return has(key) ? file_.text_of(entry(key)) : std::string(rule(key).fallback);
}

SqlText Section::sql(const char* key) {
  if (has(key)) return file_.sql_of(entry(key));
  return {.text = "", .place = place_};
}

std::vector<std::string> Section::texts(const char* key) {
  if (!has(key)) return {};
  return file_.text_list(entry(key).value, entry(key).value_place);
}

// A value with its unit, within its range.
template <class T>
T Section::measured(const char* key, Result<T> (*parse)(std::string_view)) {
  auto fallback = parse(rule(key).fallback).value_or(T{});
  if (!has(key)) return fallback;
  const auto before = file_.problem_count();
  const std::string text = file_.text_of(entry(key));
  if (file_.problem_count() != before) return fallback;
  const auto value = parse(text);
  if (!value) {
    file_.fail(place_of(key), fmt::format("{}: {}", key, value.error().message));
    return fallback;
  }
  const auto [first, last] = ends_of(rule(key).of);
  if (*value >= parse(first).value() && *value <= parse(last).value()) return *value;
  file_.fail(place_of(key), fmt::format("{}: {} is not within {} to {}", key, text, first, last));
  return fallback;
}

std::chrono::microseconds Section::duration(const char* key) {
  return measured(key, base::parse_duration);
}
std::uint64_t Section::bytes(const char* key) {
  return measured(key, base::parse_bytes);
}
int Section::integer(const char* key) {
  return measured(key, parse_integer);
}

bool Section::boolean(const char* key) {
  const auto before = file_.problem_count();
  const std::string value = text(key);
  const bool is_true = base::equal_ignoring_case(value, "true");
  if (is_true || base::equal_ignoring_case(value, "false")) return is_true;
  if (file_.problem_count() == before) {
    file_.fail(place_of(key),
               fmt::format("{}: '{}' is neither true nor false", key, base::printable(value)));
  }
  return rule(key).fallback == "true";
}

std::string Section::word(const char* key) {
  std::string fallback(rule(key).fallback);
  if (!has(key)) return fallback;
  const auto before = file_.problem_count();
  const std::string value = text(key);
  const auto words = words_of(rule(key).of);
  if (std::ranges::find(words, value) != words.end()) return value;
  if (file_.problem_count() == before) {
    file_.fail(place_of(key),
               fmt::format("{}: '{}' is not one of {}{}", key, base::printable(value),
                           base::join(words, ", "), base::did_you_mean(value, words)));
  }
  return fallback;
}

std::vector<Entry> Section::entries(const char* key, std::string_view wanted) {
  if (!has(key)) return {};
  return file_.entries(entry(key).value, place_of(key), fmt::format("{}: {}", key, wanted));
}

std::vector<Entry> Section::named_entries(const char* key, std::string_view wanted) {
  if (!has(key)) return {};
  return file_.named_entries(entry(key).value, place_of(key), fmt::format("{}: {}", key, wanted));
}

}  // namespace millrace::config
