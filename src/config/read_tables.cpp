// Tables, jobs, reports and tests.
#include <fmt/format.h>

#include "base/text.hpp"
#include "base/units.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using namespace std::chrono_literals;
using namespace base::literals;

constexpr auto kCommitEveryMin = 100ms;
constexpr int kAttemptsMax = 100;

Expectation read_expectation(YamlFile& file, const std::string& name, const YAML::Node& node) {
  Section section(file, node, "expectation");
  const auto otherwise = section.word("otherwise", "reject");
  return {.name = name,
          .check = section.sql("check"),
          .otherwise = otherwise == "warn"   ? Otherwise::Warn
                       : otherwise == "halt" ? Otherwise::Halt
                                             : Otherwise::Reject};
}

CommitPolicy read_commit(YamlFile& file, Section& table) {
  CommitPolicy policy{.every = 1min, .bytes = 128'000'000};
  if (!table.has("commit")) return policy;
  Section section(file, table.node("commit"), "commit");
  policy.every = section.duration("every", policy.every);
  policy.bytes = section.bytes("bytes", policy.bytes);
  if (policy.every < kCommitEveryMin) {
    file.fail(section.place_of("every"), "commit: at least 100ms are needed between commits");
  }
  if (policy.bytes < 1_MiB) file.fail(section.place_of("bytes"), "commit: at least 1MiB is needed");
  return policy;
}

std::vector<Reconcile> read_reconcile(YamlFile& file, const YAML::Node& node) {
  std::vector<Reconcile> pairs;
  if (!node.IsSequence()) {
    file.fail(node,
              "reconcile: a list of pairs of SELECTs is expected, like `- [SELECT 1, SELECT 1]`");
    return pairs;
  }
  for (const auto& item : node) {
    if (!item.IsSequence() || item.size() != 2) {
      file.fail(item, "reconcile: a pair of SELECTs is expected, like [SELECT 1, SELECT 1]");
      continue;
    }
    pairs.push_back({file.sql_of(item[0]), file.sql_of(item[1])});
  }
  return pairs;
}

// The type that a default has as it stands in YAML.
ColumnType guessed_type(const std::string& value) {
  using Kind = ColumnType::Kind;
  const auto is_number = [&](std::string_view allowed) {
    return !value.empty() && value != "-" && value.find_first_not_of(allowed) == std::string::npos;
  };
  if (is_number("-0123456789")) return {.kind = Kind::BigInt};
  if (is_number("-0123456789.")) return {.kind = Kind::Double};
  if (value == "true" || value == "false") return {.kind = Kind::Boolean};
  if (value.size() == 10 && value[4] == '-' && value[7] == '-') return {.kind = Kind::Date};
  return {.kind = Kind::Varchar};
}

Parameter read_parameter(YamlFile& file, const std::string& name, const YAML::Node& node) {
  Parameter parameter{.name = name};
  if (!node.IsMap()) {
    if (node.IsNull()) return parameter;
    parameter.value = file.text_of(node);
    parameter.type = guessed_type(*parameter.value);
    return parameter;
  }
  for (const auto& entry : node) {
    const auto key = file.text_of(entry.first);
    const auto value = file.text_of(entry.second);
    if (key == "default") {
      parameter.value = value;
    } else if (key == "type") {
      const auto type = parse_column_type(value);
      if (type) parameter.type = *type;
      if (!type) file.fail(entry.second, type.error().message);
    } else {
      file.fail(
          entry.first,
          fmt::format("unknown key '{}' in a parameter; 'type' and 'default' are known", key));
    }
  }
  return parameter;
}

std::vector<std::vector<std::optional<std::string>>> read_rows(YamlFile& file,
                                                               const YAML::Node& node) {
  std::vector<std::vector<std::optional<std::string>>> rows;
  if (!node.IsSequence()) {
    file.fail(node, "rows: a list of rows is expected, like [[o1, true]]");
    return rows;
  }
  for (const auto& row : node) {
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

PipelineTest::Expected read_expected(YamlFile& file, const YAML::Node& node) {
  PipelineTest::Expected expected;
  bool has_rows = false;
  for (const auto& entry : node) {
    const auto key = file.text_of(entry.first);
    if (key == "rows") {
      expected.rows = read_rows(file, entry.second);
      has_rows = true;
    } else if (expected.table.empty()) {
      expected.table = key;
      expected.sql = file.sql_of(entry.second);
    } else {
      file.fail(entry.first,
                fmt::format("one table and 'rows' are expected; '{}' is one more", key));
    }
  }
  if (expected.table.empty() || !has_rows) {
    file.fail(node, "expect: a table with its SELECT, and rows, are expected");
  }
  return expected;
}

}  // namespace

Table read_table(YamlFile& file, const std::string& name, const YAML::Node& node) {
  Section section(file, node, "table");
  Table table{.name = name, .place = section.place(), .from = section.text("from")};
  if (section.has("lookups")) {
    const auto lookups = section.node("lookups");
    if (!lookups.IsMap()) file.fail(lookups, "lookups: `lookup: column` is expected");
    for (const auto& entry : lookups) {
      if (!lookups.IsMap()) break;
      table.lookups.push_back(
          {file.text_of(entry.first), file.text_of(entry.second), file.place_of(entry.first)});
    }
  }
  if (section.has("unique")) {
    Section unique(file, section.node("unique"), "unique");
    table.unique = Unique{unique.text("key"), unique.duration("within", 24h), unique.place()};
  }
  if (section.has("expect") && section.node("expect").IsMap()) {
    for (const auto& entry : section.node("expect")) {
      table.expectations.push_back(read_expectation(file, file.text_of(entry.first), entry.second));
    }
  }
  table.sql = section.sql("sql");
  table.partition_by = section.texts("partition_by");
  table.commit = read_commit(file, section);
  return table;
}

Job read_job(YamlFile& file, const std::string& name, const YAML::Node& node) {
  Section section(file, node, "job");
  Job job{.name = name, .place = section.place(), .retry = {.attempts = 3, .first_wait = 10s}};
  if (section.has("at")) {
    const auto cron = Cron::parse(section.text("at"));
    if (cron) job.at = *cron;
    if (!cron) file.fail(section.place_of("at"), cron.error().message);
  }
  job.each_column = section.word("each", "");
  job.each = job.each_column == "day"    ? Each::Day
             : job.each_column == "hour" ? Each::Hour
                                         : Each::None;
  job.sql = section.sql("sql");
  job.reads = section.texts("reads");
  if (section.has("reconcile")) job.reconcile = read_reconcile(file, section.node("reconcile"));
  if (section.has("retry")) {
    Section retry(file, section.node("retry"), "retry");
    job.retry.attempts = retry.integer("attempts", 3, 1, kAttemptsMax);
    job.retry.first_wait = retry.duration("wait", 10s);
  }
  const bool binds = job.sql.text.find("$" + job.each_column) != std::string::npos;
  if (job.each != Each::None && !binds && section.has("sql")) {
    file.fail(
        job.sql.place,
        fmt::format(
            "each: {0} runs once per {0}, but the SQL does not use ${0}; add `WHERE {0} = ${0}`",
            job.each_column));
  }
  return job;
}

Report read_report(YamlFile& file, const std::string& name, const YAML::Node& node) {
  Section section(file, node, "report");
  Report report{.name = name, .place = section.place(), .sql = section.sql("sql")};
  if (section.has("parameters") && section.node("parameters").IsMap()) {
    for (const auto& entry : section.node("parameters")) {
      report.parameters.push_back(read_parameter(file, file.text_of(entry.first), entry.second));
    }
  }
  if (section.has("chart")) {
    Section chart(file, section.node("chart"), "chart");
    const bool is_bar = chart.has("bar");
    if (is_bar == chart.has("line"))
      file.fail(chart.place(), "chart: either 'bar' or 'line' is expected");
    report.chart = Chart{.kind = is_bar ? Chart::Kind::Bar : Chart::Kind::Line,
                         .value = chart.text(is_bar ? "bar" : "line"),
                         .by = chart.text("by")};
  }
  return report;
}

PipelineTest read_test(YamlFile& file, const YAML::Node& node) {
  Section section(file, node, "test");
  PipelineTest test{.name = section.text("name"), .place = section.place()};
  if (section.has("given") && !section.node("given").IsMap()) {
    file.fail(section.place_of("given"), "given: `source: [record, …]` is expected");
  } else if (section.has("given")) {
    for (const auto& entry : section.node("given")) {
      test.given.push_back({file.text_of(entry.first), file.text_list(entry.second)});
    }
  }
  if (section.has("now")) {
    test.now = section.text("now");
    const auto time = base::parse_time(*test.now);
    if (!time) file.fail(section.place_of("now"), time.error().message);
  }
  if (!section.has("expect")) return test;
  const auto expect = section.node("expect");
  if (expect.IsMap()) test.expect.push_back(read_expected(file, expect));
  if (expect.IsSequence()) {
    for (const auto& item : expect) {
      if (item.IsMap()) test.expect.push_back(read_expected(file, item));
    }
  }
  return test;
}

}  // namespace millrace::config
