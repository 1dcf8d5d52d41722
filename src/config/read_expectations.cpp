// What must hold for the result of a job.
#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using Kind = ResultCheck::Kind;

constexpr std::array<std::pair<const char*, Kind>, 6> kKinds{{{"no_rows", Kind::NoRows},
                                                              {"rows", Kind::Rows},
                                                              {"unique", Kind::Unique},
                                                              {"references", Kind::References},
                                                              {"fresh", Kind::Fresh},
                                                              {"drift", Kind::Drift}}};

// `50%` as 0.5.
std::optional<double> ratio_of(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = read.ec == std::errc{} && read.ptr == text.data() + text.size();
  if (!is_number || !(number >= 0) || number > 1e6) return std::nullopt;
  return number / 100;
}

void read_row_range(YamlFile& file, const Entry& entry, ResultCheck& expected) {
  Section range(file, entry, "row_range");
  expected.rows_min = range.integer("min");
  if (range.has("max")) expected.rows_max = range.integer("max");
  if (!range.has("min") && !range.has("max") && !range.may_be_misspelt("min") &&
      !range.may_be_misspelt("max")) {
    file.fail(range.place(), "rows: `min` or `max` is expected");
  }
  if (expected.rows_max && *expected.rows_max < expected.rows_min) {
    file.fail(range.place_of("max"), "rows: max is below min");
  }
}

void read_details(YamlFile& file, Section& section, ResultCheck& expected) {
  switch (expected.kind) {
    case Kind::NoRows:
      expected.sql = section.sql("no_rows");
      return;
    case Kind::Rows:
      return read_row_range(file, section.entry("rows"), expected);
    case Kind::Unique:
      expected.columns = section.texts("unique");
      return;
    case Kind::References: {
      Section reference(file, section.entry("references"), "reference");
      expected.columns = {reference.text("column")};
      expected.table = reference.text("table");
      expected.key = reference.text("key");
      return;
    }
    case Kind::Fresh: {
      Section freshness(file, section.entry("fresh"), "freshness");
      expected.columns = {freshness.text("column")};
      expected.within = freshness.duration("within");
      return;
    }
    case Kind::Drift: {
      Section drift(file, section.entry("drift"), "drift");
      expected.sql = drift.sql("of");
      expected.runs = drift.integer("runs");
      const auto within = drift.text("within");
      const auto ratio = ratio_of(within);
      expected.ratio = ratio.value_or(0);
      if (ratio || !drift.has("within")) return;
      file.fail(drift.place_of("within"),
                fmt::format("within: '{}' is not like `50%`", base::printable(within)));
      return;
    }
  }
}

}  // namespace

std::string_view name_of(Kind kind) {
  for (const auto& [name, known] : kKinds) {
    if (known == kind) return name;
  }
  return "";
}

std::vector<ResultCheck> read_expectations(YamlFile& file, Section& job) {
  std::vector<ResultCheck> all;
  for (const auto& entry : job.named_entries("expect", "names and what must hold are")) {
    Section section(file, entry, "result_check");
    ResultCheck expected{.name = entry.name, .place = entry.place};
    int kinds = 0;
    bool is_misspelt = false;
    for (const auto& [name, kind] : kKinds) {
      is_misspelt = is_misspelt || section.may_be_misspelt(name);
      if (!section.has(name)) continue;
      ++kinds;
      expected.kind = kind;
    }
    if (kinds != 1) {
      if (!is_misspelt) {
        file.fail(section.place(), fmt::format("expect {}: one of no_rows, rows, unique, "
                                               "references, fresh and drift is expected",
                                               entry.name));
      }
      continue;
    }
    expected.is_warning = section.word("otherwise") == "warn";
    read_details(file, section, expected);
    all.push_back(std::move(expected));
  }
  return all;
}

}  // namespace millrace::config
