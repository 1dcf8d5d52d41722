// Tables.
#include <fmt/format.h>

#include <set>

#include "base/text.hpp"
#include "base/units.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

Expectation read_expectation(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "expectation");
  const auto otherwise = section.word("otherwise");
  return {.name = entry.name,
          .check = section.sql("check"),
          .otherwise = otherwise == "warn"   ? Otherwise::Warn
                       : otherwise == "halt" ? Otherwise::Halt
                                             : Otherwise::Reject};
}

std::vector<std::string> read_partition_by(YamlFile& file, Section& section) {
  const auto columns = section.texts("partition_by");
  std::set<std::string> seen;
  for (const auto& column : columns) {
    if (seen.insert(column).second) continue;
    file.fail(section.place_of("partition_by"),
              fmt::format("partition_by: '{}' stands here twice", base::printable(column)));
  }
  return columns;
}

// The keys of what was seen are read back from the rows.
void check_keep(YamlFile& file, const Section& section, const Table& table) {
  if (table.keep.count() == 0 || !table.unique || table.unique->within <= table.keep) return;
  file.fail(
      section.place_of("keep"),
      fmt::format("keep: {} is less than `unique: within`, {}, for which keys are remembered",
                  base::format_duration(table.keep), base::format_duration(table.unique->within)));
}

}  // namespace

Table read_table(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "table");
  Table table{.name = entry.name, .place = entry.place};
  const auto before = file.problem_count();
  table.from = section.text("from");
  if (section.has("from") && file.problem_count() == before) {
    table.from_place = section.place_of("from");
  }
  const auto before_lookups = file.problem_count();
  for (const auto& used : section.entries("lookups", "entries `lookup: column` are")) {
    table.lookups.push_back({used.name, file.text_of(used), used.place});
  }
  const bool is_wide =
      file.problem_count() == before_lookups && !section.may_be_misspelt("lookups");
  if (section.has("unique")) {
    Section unique(file, section.entry("unique"), "unique");
    table.unique = Unique{unique.text("key"), unique.duration("within"), unique.place()};
  }
  for (const auto& expectation : section.named_entries("expect", "names and their checks are")) {
    table.expectations.push_back(read_expectation(file, expectation));
  }
  table.sql = section.sql("sql");
  if (!is_wide) table.sql.text.clear();  // it may name columns that are not known
  table.partition_by = read_partition_by(file, section);
  table.commit = {.every = std::chrono::minutes(1), .bytes = 128'000'000};
  if (section.has("commit")) {
    Section commit(file, section.entry("commit"), "commit");
    table.commit = {.every = commit.duration("every"), .bytes = commit.bytes("bytes")};
  }
  table.keep = section.duration("keep");
  check_keep(file, section, table);
  return table;
}

}  // namespace millrace::config
