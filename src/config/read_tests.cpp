// The file's own tests.
#include <fmt/format.h>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using Rows = std::vector<std::vector<std::optional<std::string>>>;

Rows read_rows(YamlFile& file, const Entry& entry) {
  Rows rows;
  if (!entry.value.IsSequence()) {
    file.fail(entry.value_place, "rows: a list of rows is expected, like [[o1, true]]");
    return rows;
  }
  for (const auto& row : entry.value) {
    auto& values = rows.emplace_back();
    if (!row.IsSequence()) {
      file.fail(row, "rows: a row is a list of values, like [o1, true]");
      continue;
    }
    for (const auto& value : row) {
      values.push_back(value.IsNull() ? std::nullopt : std::optional(file.text_of(value)));
    }
  }
  return rows;
}

PipelineTest::Expected read_expected(YamlFile& file, const YAML::Node& node, const Place& place) {
  constexpr const char* kWanted = "expect: a table with its SELECT, and rows,";
  PipelineTest::Expected expected{.place = place};
  const auto before = file.problem_count();
  bool has_rows = false;
  for (const auto& entry : file.entries(node, place, std::string(kWanted) + " are")) {
    if (entry.name == "rows") {
      expected.rows = read_rows(file, entry);
      has_rows = true;
    } else if (expected.table.empty()) {
      expected.table = entry.name;
      expected.sql = file.sql_of(entry);
      expected.place = entry.place;
    } else {
      file.fail(entry.place, fmt::format("one table and 'rows' are expected; '{}' is one more",
                                         base::printable(entry.name)));
    }
  }
  if ((expected.table.empty() || !has_rows) && file.problem_count() == before) {
    file.fail(place, std::string(kWanted) + " are expected");
  }
  return expected;
}

std::vector<std::string> read_records(YamlFile& file, const Entry& entry) {
  if (entry.value.IsScalar()) return {file.text_of(entry)};
  std::vector<std::string> records;
  if (!entry.value.IsSequence()) {
    file.fail(entry.value_place, "given: a list of records is expected");
    return records;
  }
  for (const auto& record : entry.value) {
    if (record.IsScalar()) {
      records.push_back(file.text_of(record));
    } else {
      file.fail(record, "given: a record is a text, as a client sends it: put it into quotes");
    }
  }
  return records;
}

}  // namespace

PipelineTest read_test(YamlFile& file, const YAML::Node& node) {
  const Place place = file.place_of(node);
  Section section(file, {"", place, node, place}, "test");
  PipelineTest test{.name = section.text("name"), .place = place};
  for (const auto& entry : section.entries("given", "entries `source: [record, …]` are")) {
    test.given.push_back({entry.name, read_records(file, entry), entry.place});
  }
  if (section.has("now")) {
    test.now = section.text("now");
    const auto time = base::parse_time(*test.now);
    if (!time) file.fail(section.place_of("now"), "now: " + time.error().message);
  }
  if (!section.has("expect")) return test;
  const auto& expect = section.entry("expect");
  if (!expect.value.IsSequence()) {
    test.expect.push_back(read_expected(file, expect.value, expect.value_place));
    return test;
  }
  for (const auto& item : expect.value) {
    test.expect.push_back(read_expected(file, item, file.place_of(item)));
  }
  return test;
}

}  // namespace millrace::config
