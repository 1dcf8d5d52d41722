#include "base/result.hpp"
#include "config/engine_rules.hpp"
#include "config/schema.hpp"
#include "config/source_rules.hpp"

namespace millrace::config {
namespace {

using enum ValueKind;

std::vector<SectionRule> file_rules() {
  return {{"file",
           "One pipeline.",
           {{"pipeline", Text, "", true, "",
             "The pipeline's name: letters, digits, `_` and `-`. It is part of every position in "
             "the tables."},
            {"timezone", Text, "", false, "UTC",
             "An IANA time zone, for schedules, calendar days and SQL."},
            {"lake", Text, "", false, "the data folder",
             "Where the tables lie: `s3://bucket/prefix`, or a folder, `/srv/lake` or, relative "
             "to this file, `./lake`. Empty is the data folder."},
            {"sources", MapOf, "source", true, "", "The streams that come in."},
            {"lookups", MapOf, "lookup", false, "", "Reference data, by key."},
            {"tables", MapOf, "table", false, "", "What the streams become, row by row."},
            {"jobs", MapOf, "job", false, "",
             "What is computed from tables on a schedule; each makes a table."},
            {"reports", MapOf, "report", false, "", "Named queries."},
            {"alerts", MapOf, "alert", false, "", "Messages about rows: [alerts](alerts.md)."},
            {"metrics", Object, "metrics", false, "", "Where the numbers of `/metrics` also go."},
            {"maintenance", TextOrObject, "maintenance", false, "",
             "When tables are put in order, and rows that are not kept removed: "
             "[operations](operations.md#maintenance)."},
            {"tests", ListOf, "test", false, "", "Records and the rows that they must become."},
            {"rollups", Any, "", false, "", "Aggregates over windows.", false},
            {"engines", Object, "engines", false, "", "Where jobs run that say `engine:`."},
            {"warehouses", MapOf, "warehouse", false, "", "Where job results are loaded."}}}};
}

std::vector<SectionRule> lookup_rules() {
  return {
      {"lookup",
       "Reference data, whose rows are found by key.",
       {{"from", Text, "", true, "",
         "A CSV, Parquet or JSON file, relative to this file or `s3://bucket/key`, `.gz` and "
         "`.zst` are unpacked; `dynamodb://table`; or `postgres://user:password@host/database`, "
         "from "
         "a variable."},
        {"key", Text, "", true, "", "The column that is matched; each value once."},
        {"format", Words, "csv|parquet|json", false, "by the file's name", "How it is written."},
        {"refresh", Duration, "1s..366d", false, "never",
         "How often it is looked at for a change. If the new version cannot be read, the last "
         "good one stays."},
        {"region", Text, "", false, "AWS_REGION", "s3, dynamodb: where it is."},
        {"anonymous", Boolean, "", false, "false",
         "s3: requests are not signed, for what is open to everybody."},
        {"columns", Columns, "", false, "all that the items have",
         "dynamodb: the attributes that are read, and their types."},
        {"table", Text, "", false, "",
         "postgres: the table that is read, `table` or `schema.table`."},
        {"query", Text, "", false, "", "postgres: a SELECT in its dialect, instead of a table."},
        {"segments", Integer, "1..64", false, "4", "dynamodb: parts that are scanned at once."},
        {"consistent", Boolean, "", false, "false",
         "dynamodb: strongly consistent reads, which cost twice the units."},
        {"read_units", Integer, "1..1000000", false, "no limit",
         "dynamodb: read units a second that a scan may use."}}}};
}

std::vector<SectionRule> table_rules() {
  return {
      {"table",
       "Rows made of a source's records, or of another table's rows, one by one.",
       {{"from", Text, "", true, "", "A source, or another table."},
        {"lookups", TextMap, "", false, "",
         "`lookup: column`; each adds a STRUCT column of that name, NULL where no row matches."},
        {"unique", Object, "unique", false, "", "Rejects records whose key has been seen."},
        {"expect", MapOf, "expectation", false, "",
         "What must hold for a row; NULL counts as not holding."},
        {"sql", Sql, "", true, "", "A SELECT that works row by row."},
        {"partition_by", TextList, "", false, "",
         "Columns of the result, dates as a rule, that split the table into folders."},
        {"commit", Object, "commit", false, "", "How often rows go from memory into files."},
        {"keep", Duration, "1d..36600d", false, "for ever",
         "How old rows become before they are removed "
         "([operations](operations.md#how-long-rows-are-kept))."}}},
      {"unique",
       "Rejects records whose key has been seen.",
       {{"key", Text, "", true, "", "A column that the SQL passes on unchanged."},
        {"within", Duration, "1s..366d", true, "",
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
       {{"every", Duration, "100ms..1d", false, "1m", "The longest time between two commits."},
        {"bytes", Bytes, "1MiB..64GiB", false, "128MB",
         "Bytes of rows in memory; fewer where half of what `--memory` gives to rows is used."}}}};
}

std::vector<SectionRule> job_rules() {
  return {
      {"job",
       "A table computed from other tables.",
       {{"at", Text, "", false, "",
         "A cron schedule in the pipeline's time zone (see Schedules). Without it "
         "the job runs when asked to."},
        {"each", Words, "day|hour", false, "",
         "One run per calendar day or hour, bound to `$day` or `$hour`; the result gets that "
         "column and is partitioned by it."},
        {"sql", Sql, "", true, "", "A SELECT over tables and other jobs' tables."},
        {"reads", TextList, "", false, "",
         "Tables of which any change makes every partition stale, not only a change in the same "
         "one."},
        {"reconcile", SqlPairs, "", false, "",
         "Pairs of SELECTs, each giving one value; both sides must agree or the run fails."},
        {"retry", Object, "retry", false, "", "What happens if a run fails."},
        {"load", TextOrObject, "load", false, "",
         "The warehouse that gets the result: its name, or more about it (docs/warehouses.md)."},
        {"expect", MapOf, "result_check", false, "",
         "What must hold for the result (docs/data_quality.md)."},
        {"keep", Duration, "1d..36600d", false, "for ever",
         "With `each`: how old partitions become before they are removed."},
        {"engine", Words, "millrace|spark|glue", false, "millrace",
         "Who computes it: this program, Spark or AWS Glue, of `engines`."},
        {"distribute_by", Text, "", false, "",
         "On Spark: a column that is in every GROUP BY, PARTITION BY and join; each task has all "
         "rows of some of its values."}}},
      {"retry",
       "What happens if a run fails.",
       {{"attempts", Integer, "1..100", false, "3", "How many in all."},
        {"wait", Duration, "0s..1d", false, "10s",
         "Before the second; it doubles with each further one."}}},
      {"result_check",
       "What must hold for a partition that was computed; one of the first six.",
       {{"no_rows", Sql, "", false, "", "A SELECT that gives what is wrong."},
        {"rows", Object, "row_range", false, "", "How many rows there are."},
        {"unique", TextList, "", false, "", "Columns whose values no two rows share."},
        {"references", Object, "reference", false, "", "Values that another table must have."},
        {"fresh", Object, "freshness", false, "", "How old the newest value may be."},
        {"drift", Object, "drift", false, "", "How far a value may be from those before."},
        {"otherwise", Words, "fail|warn", false, "fail",
         "`fail`: the run fails, the partition stays as it was. `warn`: it is noted."}}},
      {"row_range",
       "How many rows there are.",
       {{"min", Integer, "0..2000000000", false, "0", "At least."},
        {"max", Integer, "0..2000000000", false, "", "At most."}}},
      {"reference",
       "Values that another table must have.",
       {{"column", Text, "", true, "", "A column of the result; NULL is left out."},
        {"table", Text, "", true, "", "A table of the pipeline, or another job's."},
        {"key", Text, "", true, "", "Its column."}}},
      {"freshness",
       "How old the newest value may be, at the partition's end or now.",
       {{"column", Text, "", true, "", "A date or a timestamptz of the result."},
        {"within", Duration, "1s..3660d", true, "", "How old."}}},
      {"drift",
       "How far a value may be from the mean of those before.",
       {{"of", Sql, "", true, "", "An aggregate over the partition, like `sum(total)`."},
        {"runs", Integer, "3..1000", false, "7", "How many partitions before are compared."},
        {"within", Text, "", true, "", "Per cent of the mean, like `50%`."}}},
  };
}

std::vector<SectionRule> warehouse_rules() {
  return {
      {"load",
       "Where a job's result is loaded.",
       {{"to", Text, "", true, "", "A warehouse."},
        {"table", Text, "", false, "the job's name", "Its table there, `table` or `schema.table`."},
        {"sort_key", TextList, "", false, "Redshift's choice",
         "redshift: the columns by which the table is sorted, when it is made."},
        {"dist_key", Text, "", false, "",
         "redshift: the column whose value says which node has a row."},
        {"dist_style", Words, "auto|even|all", false, "auto",
         "redshift: how rows are spread over nodes, without a `dist_key`."},
        {"lengths", TextMap, "", false, "by the values, and widened when they grow",
         "redshift: `column: bytes`, how long its texts may be, up to 65535; a longer one fails "
         "the load."}}},
      {"warehouse",
       "A database that gets results of jobs.",
       {{"kind", Words, "postgres|duckdb|redshift", true, "", "What it is."},
        {"url", Text, "", false, "",
         "postgres: `postgres://user:password@host:5432/database`, from a variable; redshift: the "
         "same, instead of the Data API."},
        {"path", Text, "", false, "", "duckdb: a file, relative to this one."},
        {"workgroup", Text, "", false, "", "redshift: the workgroup of Redshift Serverless."},
        {"cluster", Text, "", false, "", "redshift: the identifier of a cluster, instead."},
        {"database", Text, "", false, "dev", "redshift: the database, unless by `url`."},
        {"db_user", Text, "", false, "who we are in IAM", "redshift: the user in a cluster."},
        {"secret", Text, "", false, "",
         "redshift: the ARN of a secret with user and password, instead."},
        {"staging", Text, "", false, "",
         "redshift: `s3://bucket/prefix/`, where rows are put for COPY; of the same region."},
        {"role", Text, "", false, "",
         "redshift: the ARN of the IAM role as which Redshift reads `staging`, or `default`."},
        {"region", Text, "", false, "AWS_REGION", "redshift: where it is."}}},
  };
}

std::vector<SectionRule> report_rules() {
  return {
      {"report",
       "A named query.",
       {{"sql", Sql, "", true, "", "A SELECT; `$name` is a parameter."},
        {"parameters", Parameters, "", false, "",
         "`name: default`, or `name: {type: …, default: …}`; without a default it must be given."},
        {"chart", Object, "chart", false, "", "How it is drawn."},
        {"max_age", Duration, "0s..1h", false, "0s",
         "How old an answer may be that is given again; 0s: no row is missing in it."}}},
      {"chart",
       "A chart of a report.",
       {{"bar", Text, "", false, "", "The column whose values are bars."},
        {"line", Text, "", false, "", "The column whose values are a line; instead of `bar`."},
        {"by", Text, "", true, "", "The column that names them."}}},
      {"test",
       "Records and the rows that they must become; run by `millrace test`.",
       {{"name", Text, "", true, "", "What is tested."},
        {"given", Records, "", true, "", "`source: [record, …]`, as a client would send them."},
        {"now", Text, "", false, "a day after the newest event time",
         "The clock's time, like `2026-11-20T12:00:00Z`."},
        {"expect", Expected, "", true, "",
         "`table: \"SELECT …\"` (FROM may be left out) and `rows: [[value, …], …]`; or a list of "
         "such."}}}};
}

std::vector<SectionRule> alert_rules() {
  return {
      {"alert",
       "Messages about the rows of a table: [alerts](alerts.md).",
       {{"from", Text, "", true, "", "A table."},
        {"when", Sql, "", false, "true", "A boolean expression over its rows: which ones alert."},
        {"select", Sql, "", false, "all columns",
         "What a message says of a row: a SELECT list that works row by row."},
        {"send", Object, "send", true, "", "Where messages go, each kind once."},
        {"group_by", Sql, "", false, "all rows are one group",
         "An expression over the rows; `wait` and `every` count for each of its values."},
        {"wait", Duration, "0s..1h", false, "0s",
         "How long rows of a group are gathered into one message; 0: each row is a message."},
        {"every", Duration, "0s..366d", false, "0s",
         "The least time between two messages of a group; rows in between are suppressed."},
        {"at_most", Text, "", false, "no limit",
         "Messages in each second, minute, hour or day: `100/m`; rows beyond are suppressed."},
        {"retry_for", Duration, "0s..7d", false, "1h",
         "How long a message is tried before it is dead."},
        {"dead_letter", Object, "send", false, "", "One more place, for messages that are dead."},
        {"body", Words, "message|row", false, "message",
         "`message`: ids and rows. `row`: the row's object alone, for receivers with a form of "
         "their own."},
        {"history", Words, "all|failed", false, "all",
         "Which rows are kept in `_alerts`: all, or only those that could not be sent."}}},
      {"send",
       "Where messages go. An empty text is as if the key was left out.",
       {{"webhook", TextOrObject, "webhook", false, "", "A URL that they are posted to."},
        {"sns", Text, "", false, "", "The ARN of an SNS topic."},
        {"sqs", Text, "", false, "", "The URL of an SQS queue."},
        {"kinesis", Text, "", false, "", "The name or ARN of a Kinesis stream."},
        {"kafka", Object, "kafka", false, "", "A topic of Kafka."},
        {"log", Words, "info|warn|error", false, "", "A line of the program's log."}}},
      {"kafka",
       "A topic of Kafka that messages are written to.",
       {{"brokers", TextList, "", false, "",
         "Some of the brokers, `host:9092,host:9092`; they name the others."},
        {"topic", Text, "", false, "the alert's name", "The topic, which must be there."},
        {"security", Object, "security", false, "",
         "How the brokers are known, and who we are to them."},
        {"options", TextMap, "", false, "",
         "Further properties of librdkafka, `client.rack: a`; "
         "[which](how_to/read_kafka.md)."}}},
      {"webhook",
       "A URL that messages are posted to.",
       {{"url", Text, "", true, "", "`https://…` or `http://…`."},
        {"secret", TextList, "", false, "",
         "Signs messages: `${NAME}`, from the environment; while it changes, the new one and the "
         "old one."},
        {"headers", TextMap, "", false, "", "More headers of each request."},
        {"timeout", Duration, "100ms..5m", false, "10s", "Of one request."},
        {"connections", Integer, "1..64", false, "8", "Requests at once."}}}};
}

// What both ways to CloudWatch have in common, and what else one has.
SectionRule export_rules(std::string_view name, std::string_view doc, std::vector<KeyRule> more) {
  SectionRule rules{
      name,
      doc,
      {{"namespace", Text, "", false, "Millrace", "The namespace of the metrics."},
       {"every", Duration, "1s..1h", false, "1m",
        "How often; below one minute the metrics are of high resolution."},
       {"dimensions", TextMap, "", false, "`pipeline`: the pipeline's name",
        "`name: value`, for all metrics: at most 10."},
       {"labels", TextList, "", false,
        "`job_name`, `lookup`, `outcome`, `reason`, `source`, `stream`, `table`",
        "The labels of `/metrics` that become dimensions; what differs in others only is put "
        "together. `[]`: none."}}};
  rules.keys.insert(rules.keys.end(), more.begin(), more.end());
  return rules;
}

std::vector<SectionRule> maintenance_rules() {
  return {{"maintenance",
           "Small files become large ones, rows that are not kept are removed, and files that "
           "nobody needs deleted.",
           {{"at", Text, "", false, "30 3 * * *",
             "A cron schedule in the pipeline's time zone, or `off`."}}}};
}

std::vector<SectionRule> metrics_rules() {
  return {{"metrics",
           "Where the numbers of `/metrics` also go (see docs/aws.md).",
           {{"cloudwatch", Object, "cloudwatch", false, "", "To CloudWatch, by PutMetricData."},
            {"embedded", Object, "embedded", false, "",
             "Into log lines of which CloudWatch Logs makes metrics."}}},
          export_rules("cloudwatch", "Sends metrics to CloudWatch.", {}),
          export_rules("embedded",
                       "Writes metrics in the embedded metric format, one JSON object a line.",
                       {{"to", Text, "", false, "standard output",
                         "A file, relative to this one; lines are put at its end."}})};
}

}  // namespace

const std::vector<SectionRule>& section_rules() {
  static const std::vector<SectionRule> kSections = [] {
    std::vector<SectionRule> all;
    for (const auto& rules : {file_rules(), source_rules(), lookup_rules(), table_rules(),
                              alert_rules(), job_rules(), warehouse_rules(), engine_rules(),
                              report_rules(), metrics_rules(), maintenance_rules()}) {
      all.insert(all.end(), rules.begin(), rules.end());
    }
    return all;
  }();
  return kSections;
}

const SectionRule& section_rule(std::string_view name) {
  for (const auto& section : section_rules()) {
    if (section.name == name) return section;
  }
  base::check_failed("a known section", __FILE__, __LINE__);
}

std::vector<std::string> words_of(std::string_view words) {
  std::vector<std::string> list;
  for (std::size_t at = 0; at <= words.size();) {
    const auto end = std::min(words.find('|', at), words.size());
    list.emplace_back(words.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

std::pair<std::string_view, std::string_view> ends_of(std::string_view range) {
  const auto dots = range.find("..");
  CHECK(dots != std::string_view::npos);
  return {range.substr(0, dots), range.substr(dots + 2)};
}

}  // namespace millrace::config
