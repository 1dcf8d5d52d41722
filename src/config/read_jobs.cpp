// Jobs, reports and schedules.
#include <fmt/format.h>

#include "base/text.hpp"
#include "config/plain_value.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using namespace std::chrono_literals;

std::vector<Reconcile> read_reconcile(YamlFile& file, const Entry& entry) {
  constexpr const char* kPair =
      "reconcile: a pair of SELECTs is expected, like [SELECT 1, SELECT 1]";
  std::vector<Reconcile> pairs;
  if (!entry.value.IsSequence()) {
    file.fail(entry.value_place,
              "reconcile: a list of pairs of SELECTs is expected, like `- [SELECT 1, SELECT 1]`");
    return pairs;
  }
  for (const auto& item : entry.value) {
    if (item.IsSequence() && item.size() == 2) {
      pairs.push_back({file.sql_of(item[0], file.place_of(item[0])),
                       file.sql_of(item[1], file.place_of(item[1]))});
    } else {
      file.fail(item, kPair);
    }
  }
  return pairs;
}

// `name: default`, whose type is that of the default as it stands in YAML.
Parameter read_plain_parameter(YamlFile& file, const Entry& entry) {
  Parameter parameter{.name = entry.name};
  if (entry.value.IsNull()) return parameter;
  parameter.value = file.text_of(entry);
  const bool is_quoted = entry.value.Tag() == "!";
  if (!is_quoted) parameter.type = type_of_plain_value(*parameter.value);
  return parameter;
}

Parameter read_parameter(YamlFile& file, const Entry& entry) {
  if (!entry.value.IsMap()) return read_plain_parameter(file, entry);
  Parameter parameter{.name = entry.name};
  std::optional<ColumnType> type;
  for (const auto& detail : file.entries(entry.value, entry.value_place, "type and default are")) {
    if (detail.name == "default") {
      parameter =
          read_plain_parameter(file, {entry.name, entry.place, detail.value, detail.value_place});
    } else if (detail.name == "type") {
      const auto parsed = parse_column_type(file.text_of(detail));
      if (!parsed) file.fail(detail.value_place, parsed.error().message);
      if (parsed) type = *parsed;
    } else {
      file.fail(detail.place, fmt::format("unknown key '{}' in a parameter; known: type, default",
                                          base::printable(detail.name)));
    }
  }
  if (!type) return parameter;
  parameter.type = *type;
  if (const auto fits = check_plain_value(parameter.type, parameter.value.value_or("")); !fits) {
    const bool is_nested = fits.error().code == base::Code::Denied;
    if (parameter.value || is_nested)
      file.fail(entry.value_place, "parameter: " + fits.error().message);
  }
  return parameter;
}

Chart read_chart(YamlFile& file, const Entry& entry) {
  Section chart(file, entry, "chart");
  const bool is_bar = chart.has("bar");
  if (is_bar == chart.has("line")) {
    file.fail(chart.place(), "chart: either 'bar' or 'line' is expected");
  }
  return {.kind = is_bar ? Chart::Kind::Bar : Chart::Kind::Line,
          .value = chart.text(is_bar ? "bar" : "line"),
          .by = chart.text("by")};
}

std::optional<Cron> read_schedule(YamlFile& file, const Entry& entry, const std::string& text) {
  const auto cron = Cron::parse(text);
  if (cron) return *cron;
  if (entry.value.IsScalar()) file.fail(entry.value_place, "at: " + cron.error().message);
  return std::nullopt;
}

}  // namespace

std::optional<Cron> read_maintenance(YamlFile& file, const Entry* entry) {
  constexpr std::string_view kOff = "off";
  if (!entry) return Cron::parse(section_rule("maintenance").keys[0].fallback).value();
  if (entry->value.IsScalar()) {
    const auto text = file.text_of(*entry);
    return text == kOff ? std::nullopt : read_schedule(file, *entry, text);
  }
  Section section(file, *entry, "maintenance");
  const auto text = section.text("at");
  if (!section.has("at")) return Cron::parse(text).value();
  return text == kOff ? std::nullopt : read_schedule(file, section.entry("at"), text);
}

Job read_job(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "job");
  Job job{.name = entry.name, .place = entry.place, .retry = {.attempts = 3, .first_wait = 10s}};
  if (section.has("at")) {
    job.at = read_schedule(file, section.entry("at"), section.text("at"));
  }
  const auto before = file.problem_count();
  job.each_column = section.word("each");
  const bool is_each_known = file.problem_count() == before && !section.may_be_misspelt("each");
  job.each = job.each_column == "day"    ? Each::Day
             : job.each_column == "hour" ? Each::Hour
                                         : Each::None;
  job.sql = section.sql("sql");
  job.reads = section.texts("reads");
  if (section.has("reconcile")) job.reconcile = read_reconcile(file, section.entry("reconcile"));
  if (section.has("retry")) {
    Section retry(file, section.entry("retry"), "retry");
    job.retry = {.attempts = retry.integer("attempts"), .first_wait = retry.duration("wait")};
  }
  job.expectations = read_expectations(file, section);
  if (section.has("load")) job.load = read_load(file, section.entry("load"), entry.name);
  read_engine(section, job);
  job.keep = section.duration("keep");
  if (section.has("keep") && job.each == Each::None && is_each_known) {
    file.fail(section.place_of("keep"),
              "keep: only a job with `each` has partitions that become old; all rows of this one "
              "are computed anew with each run");
  }
  const bool binds = job.sql.text.find("$" + job.each_column) != std::string::npos;
  if (job.each != Each::None && !binds && !job.sql.text.empty()) {
    file.fail(job.sql.place, fmt::format("each: {0} runs once per {0}, but the SQL does not use "
                                         "${0}; add `WHERE {0} = ${0}`",
                                         job.each_column));
  }
  if (!is_each_known) job.sql.text.clear();  // it may use $day
  return job;
}

Report read_report(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "report");
  Report report{.name = entry.name, .place = entry.place, .sql = section.sql("sql")};
  const auto before = file.problem_count();
  for (const auto& parameter : section.named_entries("parameters", "entries `name: default` are")) {
    report.parameters.push_back(read_parameter(file, parameter));
  }
  if (file.problem_count() != before || section.may_be_misspelt("parameters")) {
    report.sql.text.clear();  // it may use parameters that are not known
  }
  const auto before_chart = file.problem_count();
  if (section.has("chart")) report.chart = read_chart(file, section.entry("chart"));
  if (file.problem_count() != before_chart) report.chart.reset();
  report.max_age = section.duration("max_age");
  return report;
}

}  // namespace millrace::config
