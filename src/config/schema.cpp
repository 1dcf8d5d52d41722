#include "config/schema.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/result.hpp"

namespace millrace::config {
namespace {

using Json = nlohmann::ordered_json;
using enum ValueKind;

Json schema_of(const KeyRule& rule) {
  const auto reference = [&] { return Json{{"$ref", fmt::format("#/$defs/{}", rule.of)}}; };
  switch (rule.kind) {
    case Text:
    case Sql:
      return {{"type", Json::array({"string", "number", "boolean"})}};
    case Integer:
      return {{"type", "integer"}};
    case Boolean:
      return {{"type", "boolean"}};
    case Duration:
      return {{"type", "string"}, {"pattern", "^([0-9.]+(us|ms|s|m|h|d))+$|\\$"}};
    case Bytes:
      return {{"type", Json::array({"string", "integer"})}};
    case Words: {
      Json words = Json::array();
      for (std::size_t at = 0; at <= rule.of.size();) {
        const auto end = std::min(rule.of.find('|', at), rule.of.size());
        words.push_back(rule.of.substr(at, end - at));
        at = end + 1;
      }
      return {{"enum", words}};
    }
    case Object:
      return reference();
    case MapOf:
      return {{"type", "object"}, {"additionalProperties", reference()}};
    case ListOf:
      return {{"type", "array"}, {"items", reference()}};
    case TextList:
      return {{"type", "array"}, {"items", {{"type", "string"}}}};
    case Any:
      return Json::object();
  }
  return Json::object();
}

Json schema_of(const SectionRule& section) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& rule : section.keys) {
    if (!rule.is_available) continue;
    Json property = schema_of(rule);
    property["description"] = rule.doc;
    properties[std::string(rule.key)] = std::move(property);
    if (rule.is_required) required.push_back(rule.key);
  }
  return {{"type", "object"},
          {"description", section.doc},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}

std::string kind_text(const KeyRule& rule) {
  switch (rule.kind) {
    case Text:
      return "text";
    case Integer:
      return "whole number";
    case Boolean:
      return "true, false";
    case Duration:
      return "duration (`10s`)";
    case Bytes:
      return "size (`128MB`)";
    case Sql:
      return "SQL";
    case Words:
      return fmt::format("`{}`", rule.of);
    case Object:
      return fmt::format("[{0}](#{0})", rule.of);
    case MapOf:
      return fmt::format("name: [{0}](#{0})", rule.of);
    case ListOf:
      return fmt::format("list of [{0}](#{0})", rule.of);
    case TextList:
      return "list of texts";
    case Any:
      return "see text";
  }
  return "";
}

}  // namespace

const std::vector<SectionRule>& section_rules() {
  static const std::vector<SectionRule> kSections{
      {"file",
       "One pipeline.",
       {{"pipeline", Text, "", true, "",
         "The pipeline's name. It is part of every position in the tables."},
        {"timezone", Text, "", false, "UTC",
         "An IANA time zone, for schedules, calendar days and SQL."},
        {"sources", MapOf, "source", true, "", "The streams that come in."},
        {"lookups", MapOf, "lookup", false, "", "Reference data, by key."},
        {"tables", MapOf, "table", false, "", "What the streams become, row by row."},
        {"jobs", MapOf, "job", false, "",
         "What is computed from tables on a schedule; each makes a table."},
        {"reports", MapOf, "report", false, "", "Named queries."},
        {"tests", ListOf, "test", false, "", "Records and the rows that they must become."},
        {"rollups", Any, "", false, "", "Aggregates over windows.", false},
        {"alerts", Any, "", false, "", "Messages about rows.", false},
        {"warehouses", Any, "", false, "", "Where job results are loaded.", false}}},
      {"source",
       "A stream in.",
       {{"from", Words, "log|files|kinesis|kafka", true, "",
         "`log`: the embedded stream, written over HTTP. `files`: a folder."},
        {"shards", Integer, "", false, "1", "log: how many parts the stream is split into."},
        {"partition_key", Text, "", false, "",
         "log: the column whose value chooses the shard; records of one value keep their order."},
        {"retention", Object, "retention", false, "",
         "log: how long records are kept after every table has them."},
        {"path", Text, "", false, "",
         "files: a glob, relative to this file; `.gz` and `.zst` are unpacked."},
        {"format", Words, "json|csv", false, "json", "How a record is written."},
        {"schema", Any, "", true, "",
         "The columns: `name: type`. Types: varchar, boolean, tinyint, smallint, integer, bigint, "
         "float, double, decimal(p,s), date, timestamptz, timestamp, json, struct(name type, …), "
         "type[]."},
        {"unknown_fields", Words, "ignore|reject|keep", false, "ignore",
         "What becomes of fields that the schema lacks; `keep` puts them into the column "
         "`_extra`."},
        {"event_time", Object, "event_time", false, "", "When a record happened."},
        {"delimiter", Text, "", false, ",", "csv: what separates fields."},
        {"header", Boolean, "", false, "true", "csv files: the first line names the columns."},
        {"null", Text, "", false, "", "csv: the unquoted text that means NULL."}}},
      {"retention",
       "How long a stream keeps its records.",
       {{"time", Duration, "", false, "7d", "Older records go, once every table has them."},
        {"bytes", Bytes, "", false, "10GB",
         "Above it, the oldest records go; if tables still need them, senders are told to wait."}}},
      {"event_time",
       "When a record happened.",
       {{"column", Text, "", true, "", "A column of type timestamptz."},
        {"lateness", Duration, "", false, "0s",
         "How late records usually come: scheduled jobs wait that long."}}},
      {"lookup",
       "Reference data: a file whose rows are found by key.",
       {{"from", Text, "", true, "", "A CSV, Parquet or JSON file, relative to this file."},
        {"key", Text, "", true, "", "The column that is matched; each value once."},
        {"format", Words, "csv|parquet|json", false, "", "If the file's name does not say it."},
        {"refresh", Duration, "", false, "never",
         "How often the file is looked at for a change."}}},
      {"table",
       "Rows made of a source's records, or of another table's rows, one by one.",
       {{"from", Text, "", true, "", "A source, or another table."},
        {"lookups", Any, "", false, "",
         "`lookup: column`; each adds a STRUCT column of that name, NULL where no row matches."},
        {"unique", Object, "unique", false, "", "Drops records whose key has been seen."},
        {"expect", MapOf, "expectation", false, "",
         "What must hold for a row; NULL counts as not holding."},
        {"sql", Sql, "", true, "", "A SELECT that works row by row."},
        {"partition_by", TextList, "", false, "",
         "Columns of the result, dates as a rule, that split the table into folders."},
        {"commit", Object, "commit", false, "", "How often rows go from memory into files."},
        {"keep", Any, "", false, "", "How long rows are kept.", false}}},
      {"unique",
       "Drops records whose key has been seen.",
       {{"key", Text, "", true, "", "A column that the SQL passes on unchanged."},
        {"within", Duration, "", true, "",
         "How far apart, in event time, two records with one key still are the same."}}},
      {"expectation",
       "A condition on a row.",
       {{"check", Sql, "", true, "",
         "A boolean expression over the source's columns and the lookups."},
        {"otherwise", Words, "reject|warn|halt", false, "reject",
         "`reject`: the record goes to the rejects. `warn`: it is counted. `halt`: the table "
         "stops."}}},
      {"commit",
       "How often rows go from memory into files. Queries see rows before that.",
       {{"every", Duration, "", false, "1m", "At least 100ms."},
        {"bytes", Bytes, "", false, "128MB", "Bytes of rows in memory."}}},
      {"job",
       "A table computed from other tables.",
       {{"at", Text, "", false, "",
         "A cron schedule in the pipeline's time zone; without it the job runs when asked to."},
        {"each", Words, "day|hour", false, "",
         "One run per calendar day or hour, bound to `$day` or `$hour`; the result gets that "
         "column and is partitioned by it."},
        {"sql", Sql, "", true, "", "A SELECT over tables and other jobs' tables."},
        {"reads", TextList, "", false, "",
         "Tables of which any change makes every partition stale, not only a change in the same "
         "one."},
        {"reconcile", Any, "", false, "",
         "A list of pairs of SELECTs, each giving one value; both sides must agree or the run "
         "fails."},
        {"retry", Object, "retry", false, "", "What happens if a run fails."},
        {"load", Any, "", false, "", "The warehouse that gets the result.", false},
        {"expect", Any, "", false, "", "Checks of the result.", false},
        {"engine", Any, "", false, "", "Who runs it.", false}}},
      {"retry",
       "What happens if a run fails.",
       {{"attempts", Integer, "", false, "3", "How many in all."},
        {"wait", Duration, "", false, "10s",
         "Before the second; it doubles with each further one."}}},
      {"report",
       "A named query.",
       {{"sql", Sql, "", true, "", "A SELECT; `$name` is a parameter."},
        {"parameters", Any, "", false, "", "`name: default`, or `name: {type: …, default: …}`."},
        {"chart", Object, "chart", false, "", "How it is drawn."}}},
      {"chart",
       "A chart of a report.",
       {{"bar", Text, "", false, "", "The column whose values are bars."},
        {"line", Text, "", false, "", "The column whose values are a line."},
        {"by", Text, "", true, "", "The column that names them."}}},
      {"test",
       "Records and the rows that they must become; run by `millrace test`.",
       {{"name", Text, "", true, "", "What is tested."},
        {"given", Any, "", true, "", "`source: [record, …]`, as a client would send them."},
        {"now", Text, "", false, "",
         "The clock's time, like 2026-11-20T12:00:00Z; without it a day after the newest event "
         "time."},
        {"expect", Any, "", true, "",
         "`table: \"SELECT …\"` (FROM may be left out) and `rows: [[value, …], …]`; or a list of "
         "such."}}},
  };
  return kSections;
}

const SectionRule& section_rule(std::string_view name) {
  for (const auto& section : section_rules()) {
    if (section.name == name) return section;
  }
  base::check_failed("a known section", __FILE__, __LINE__);
}

std::string json_schema() {
  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "Millrace pipeline"},
              {"$ref", "#/$defs/file"},
              {"$defs", Json::object()}};
  for (const auto& section : section_rules()) {
    schema["$defs"][std::string(section.name)] = schema_of(section);
  }
  return schema.dump(1) + "\n";
}

std::string reference_page() {
  std::string page =
      "# The pipeline file\n\nThis page is generated from the table that checks the file. `${VAR}` "
      "and "
      "`${VAR:-default}` in a value come from\nthe environment, `$$` is a plain `$`.\n";
  for (const auto& section : section_rules()) {
    page += fmt::format("\n## {}\n\n{}\n\n| key | value | if left out | |\n|---|---|---|---|\n",
                        section.name, section.doc);
    for (const auto& rule : section.keys) {
      if (!rule.is_available) continue;
      std::string doc(rule.doc);
      page += fmt::format("| `{}` | {} | {} | {} |\n", rule.key, kind_text(rule),
                          rule.is_required ? "required" : fmt::format("{}", rule.fallback), doc);
    }
  }
  return page;
}

}  // namespace millrace::config
