#include "config/read.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/units.hpp"
#include "config/schema.hpp"
#include "os/test_folder.hpp"

namespace millrace::config {
namespace {

using namespace std::chrono_literals;

/// A folder with the lookup files that the pipelines of the tests name.
class ReadPipeline : public testing::Test {
 protected:
  ReadPipeline() {
    std::filesystem::create_directories(folder_.path() / "data");
    for (const char* name : {"customers.csv", "fraud_rules.csv", "x.parquet", "x.ndjson"}) {
      std::ofstream(folder_.path() / "data" / name) << "a,b\n";
    }
  }

  std::variant<Pipeline, Problems> parse(std::string_view text) {
    return parse_pipeline(text, folder_.path() / "shop.yaml", [](const std::string& name) {
      if (name == "ZONE") return std::optional<std::string>("Asia/Tokyo");
      if (name == "EMPTY") return std::optional<std::string>("");
      if (name == "SHARDS") return std::optional<std::string>("4");
      if (name == "EVIL") return std::optional<std::string>("x\nsources: {}");
      return std::optional<std::string>();
    });
  }
  Pipeline good(std::string_view text) {
    auto parsed = parse(text);
    if (const auto* problems = std::get_if<Problems>(&parsed)) {
      for (const auto& error : problems->errors) ADD_FAILURE() << error.text();
      return {};
    }
    return std::get<Pipeline>(std::move(parsed));
  }
  /// The errors, a line each, with places as `line:column`.
  std::string errors(std::string_view text) {
    auto parsed = parse(text);
    std::string out;
    if (const auto* problems = std::get_if<Problems>(&parsed)) {
      for (const auto& error : problems->errors) {
        const std::string name = (folder_.path() / "shop.yaml").string() + ":";
        EXPECT_TRUE(error.place.starts_with(name)) << error.place;
        out += error.place.substr(name.size()) + " " + error.message + "\n";
      }
    }
    return out;
  }
  /// The same of a good pipeline with something added at its end (from line 5 on).
  std::string errors_of(std::string_view added) {
    return errors(std::string(kStart) + std::string(added));
  }

  static constexpr const char* kStart =
      "pipeline: p\n"
      "sources:\n"
      "  s: {from: log, schema: {a: varchar, n: bigint, t: timestamptz, l: 'int[]'}}\n"
      "lookups: {c: {from: data/customers.csv, key: a}}\n";

  os::TestFolder folder_;
};

TEST_F(ReadPipeline, ReadsTheReferencePipeline) {
  const auto pipeline = good(example_pipeline());
  EXPECT_EQ(pipeline.name, "shop");
  EXPECT_EQ(pipeline.timezone, "Europe/Berlin");
  ASSERT_EQ(pipeline.sources.size(), 1U);
  const auto& source = pipeline.sources[0];
  const auto& log = std::get<LogSource>(source.from);
  EXPECT_EQ(log.shards, 2);
  EXPECT_EQ(log.partition_key, "customer_id");
  EXPECT_EQ(log.retention_time, 168h);
  EXPECT_EQ(log.retention_bytes, 10'000'000'000U);
  EXPECT_EQ(source.schema.size(), 6U);
  EXPECT_EQ(sql_of(source.schema[2].type), "DECIMAL(12,2)");
  EXPECT_EQ(source.event_time->column, "ts");
  EXPECT_EQ(source.event_time->lateness, 10min);
  EXPECT_EQ(pipeline.lookup("customers")->refresh, 5min);
  EXPECT_EQ(pipeline.lookup("fraud_rules")->refresh, 0s);
  EXPECT_EQ(std::get<LookupFile>(pipeline.lookup("customers")->from).path,
            folder_.path() / "data/customers.csv");
  const auto& table = *pipeline.table("checked_orders");
  EXPECT_EQ(table.lookups.size(), 2U);
  EXPECT_EQ(table.unique->key, "order_id");
  EXPECT_EQ(table.unique->within, 24h);
  ASSERT_EQ(table.expectations.size(), 3U);
  EXPECT_EQ(table.expectations[1].check.text, "amount > 0");
  EXPECT_EQ(table.expectations[2].otherwise, Otherwise::Warn);
  EXPECT_EQ(table.partition_by, std::vector<std::string>{"day"});
  EXPECT_EQ(table.commit.every, 1min);
  EXPECT_EQ(table.commit.bytes, 128'000'000U);
  EXPECT_EQ(&pipeline.root_source(table), &source);
  const auto& job = *pipeline.job("daily_sales");
  EXPECT_EQ(job.at->text(), "0 1 * * *");
  EXPECT_EQ(job.each, Each::Day);
  EXPECT_EQ(job.reconcile.size(), 1U);
  EXPECT_EQ(job.retry.attempts, 3);
  EXPECT_EQ(job.retry.first_wait, 10s);
  const auto& report = *pipeline.report("top_customers");
  ASSERT_EQ(report.parameters.size(), 1U);
  EXPECT_EQ(sql_of(report.parameters[0].type), "BIGINT");
  EXPECT_EQ(report.parameters[0].value, "20");
  EXPECT_EQ(report.chart->value, "total");
  ASSERT_EQ(pipeline.tests.size(), 1U);
  EXPECT_EQ(pipeline.tests[0].expect[0].rows[0],
            (std::vector<std::optional<std::string>>{"o1", "true"}));
}

TEST_F(ReadPipeline, ReadsWhereMetricsGo) {
  const auto pipeline = good(std::string(kStart) + R"(
metrics:
  cloudwatch: {}
  embedded: {namespace: Shop, every: 10s, to: m.log, labels: [table],
             dimensions: {stage: "${ZONE}"}}
)");
  const auto& cloudwatch = *pipeline.metrics.cloudwatch;
  EXPECT_EQ(cloudwatch.name_space, "Millrace");
  EXPECT_EQ(cloudwatch.every, 1min);
  EXPECT_EQ(cloudwatch.dimensions, (std::map<std::string, std::string>{{"pipeline", "p"}}));
  EXPECT_TRUE(cloudwatch.labels.contains("table"));
  const auto& embedded = *pipeline.metrics.embedded;
  EXPECT_EQ(embedded.to, folder_.path() / "m.log");
  EXPECT_EQ(embedded.what.name_space, "Shop");
  EXPECT_EQ(embedded.what.every, 10s);
  EXPECT_EQ(embedded.what.labels, std::set<std::string>{"table"});
  EXPECT_EQ(embedded.what.dimensions,
            (std::map<std::string, std::string>{{"stage", "Asia/Tokyo"}}));
}

TEST_F(ReadPipeline, ReadsHowLongRowsAreKeptAndWhenTablesArePutInOrder) {
  const auto pipeline = good(std::string(kStart) + R"(
tables:
  t: {from: s, sql: SELECT 1, keep: 400d, unique: {key: a, within: 366d}}
  u: {from: s, sql: SELECT 1}
jobs: {j: {each: day, sql: SELECT $day, keep: 3660d}}
reports: {r: {sql: SELECT 1, max_age: 5s}}
)");
  EXPECT_EQ(pipeline.table("t")->keep, 400 * 24h);
  EXPECT_EQ(pipeline.table("u")->keep, 0s);
  EXPECT_EQ(pipeline.job("j")->keep, 3660 * 24h);
  EXPECT_EQ(pipeline.report("r")->max_age, 5s);
  const auto at = [&](std::string_view maintenance) {
    const auto read = good(std::string(kStart) + std::string(maintenance));
    return read.maintenance ? read.maintenance->text() : "off";
  };
  EXPECT_EQ(at(""), "30 3 * * *");
  EXPECT_EQ(at("maintenance: {}"), "30 3 * * *");
  EXPECT_EQ(at("maintenance: off"), "off");
  EXPECT_EQ(at("maintenance: {at: off}"), "off");
  EXPECT_EQ(at("maintenance: 0 4 * * sun"), "0 4 * * sun");
  EXPECT_EQ(at("maintenance: {at: '@weekly'}"), "@weekly");
}

TEST_F(ReadPipeline, ReadsWhatElseThereIs) {
  const auto pipeline = good(R"(
pipeline: p
sources:
  s: {from: log, retention: {time: 1h, bytes: 1GiB}, schema: {a: varchar, t: timestamptz}}
  f:
    from: files
    path: in/*.csv.gz
    format: csv
    delimiter: ";"
    header: false
    null_text: NA
    unknown_fields: reject
    schema: {a: varchar}
lookups:
  p: {from: data/x.parquet, key: a}
  j: {from: data/x.ndjson, key: a}
  c: {from: data/x.ndjson, key: a, format: csv}
tables:
  last: {from: first, sql: SELECT 1, commit: {every: 500ms, bytes: 2MiB}}
  first: {from: f, sql: SELECT 1, partition_by: a}
jobs:
  j1: {sql: SELECT 1, reads: [first], retry: {attempts: 1, wait: 2m}}
  j2: {each: hour, sql: "SELECT $hour", reads: j1}
reports:
  r:
    sql: SELECT $a
    parameters:
      a: "20"
      b:
      c: {type: decimal(4), default: 15}
      d: {type: date}
      e: {default: 2026-11-20}
    chart: {line: x, by: y}
tests:
  - name: t
    given: {s: "{}", f: [a, b]}
    now: 2026-11-20T12:00:00Z
    expect:
      - {first: "SELECT a", rows: [[null], [~], ["null"]]}
      - {_rejects: "SELECT reason", rows: []}
)");
  const auto& files = std::get<FilesSource>(pipeline.source("f")->from);
  EXPECT_EQ(files.glob, (folder_.path() / "in/*.csv.gz").string());
  EXPECT_FALSE(files.header);
  EXPECT_EQ(pipeline.source("f")->csv_delimiter, ';');
  EXPECT_EQ(pipeline.source("f")->csv_null, "NA");
  EXPECT_EQ(std::get<LogSource>(pipeline.source("s")->from).retention_bytes, 1073741824U);
  EXPECT_EQ(pipeline.lookup("p")->format, LookupFormat::Parquet);
  EXPECT_EQ(pipeline.lookup("j")->format, LookupFormat::Json);
  EXPECT_EQ(pipeline.lookup("c")->format, LookupFormat::Csv);
  ASSERT_EQ(pipeline.tables.size(), 2U);
  EXPECT_EQ(pipeline.tables[0].name, "first");  // parents first
  EXPECT_TRUE(pipeline.tables[1].from_is_table);
  EXPECT_EQ(pipeline.root_source(pipeline.tables[1]).name, "f");
  EXPECT_EQ(pipeline.tables[1].commit.every, 500ms);
  EXPECT_EQ(pipeline.job("j2")->each_column, "hour");
  std::string parameters;
  for (const auto& parameter : pipeline.reports[0].parameters) {
    parameters +=
        parameter.name + " " + sql_of(parameter.type) + " " + parameter.value.value_or("-") + "; ";
  }
  EXPECT_EQ(parameters,
            "a VARCHAR 20; b VARCHAR -; c DECIMAL(4,0) 15; d DATE -; e DATE 2026-11-20; ");
  EXPECT_EQ(pipeline.tests[0].given[0].records, std::vector<std::string>{"{}"});
  EXPECT_EQ(pipeline.tests[0].expect[0].rows[0][0], std::nullopt);
  EXPECT_EQ(pipeline.tests[0].expect[0].rows[2][0], "null");
}

TEST_F(ReadPipeline, ReportsEveryErrorInTheOrderOfTheLines) {
  EXPECT_EQ(
      errors(R"(pipeline: my shop
timezone: Europe/Berln
sources:
  Orders:
    from: lgo
    shards: 0
    schema: {a: varchr, _b: bigint}
tables:
  t:
    form: orders
    sql: SELECT 1
)"),
      "1:11 pipeline: a name of at most 64 letters, digits, _ and - is expected\n"
      "2:11 timezone: there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?\n"
      "4:3 'Orders' is no name: a small letter, then small letters, digits and _, at most 64\n"
      "5:11 from: 'lgo' is not one of log, files, kinesis, kafka; did you mean 'log'?\n"
      "6:13 shards: 0 is not within 1 to 256\n"
      "7:17 'varchr' is not a type: there is no type 'varchr'; did you mean 'varchar'?\n"
      "7:25 column '_b': names that start with _ are the pipeline's own\n"
      "10:5 unknown key 'form' in a table; did you mean 'from'?\n"
      "10:5 the key 'from' is missing: A source, or another table.\n");
}

TEST_F(ReadPipeline, RefusesWhatIsOfALaterVersion) {
  EXPECT_EQ(errors(R"(pipeline: p
sources:
  f: {from: files, path: "gs://bucket/in/*", schema: {a: varchar}}
lookups:
  g: {from: "mysql://host/db", key: a}
rollups: {}
)"),
            "3:26 path: gs:// is not available in this version; give a local folder or "
            "s3://bucket/…\n"
            "5:13 from: mysql:// is not available in this version; give a CSV, Parquet or JSON "
            "file, here or on s3://, dynamodb://table or postgres://\n"
            "6:1 'rollups' is not available in this version\n");
}

TEST_F(ReadPipeline, ReplacesVariables) {
  const auto pipeline = good(R"(
pipeline: ${NAME:-shop}
timezone: ${ZONE}
sources: {s: {from: log, shards: "${SHARDS}", partition_key: "${EMPTY:-a}", schema: {a: varchar}}}
tables: {t: {from: s, sql: "SELECT '$$', '${EVIL}', $x"}}
)");
  EXPECT_EQ(pipeline.name, "shop");
  EXPECT_EQ(pipeline.timezone, "Asia/Tokyo");
  EXPECT_EQ(std::get<LogSource>(pipeline.sources[0].from).shards, 4);
  EXPECT_EQ(std::get<LogSource>(pipeline.sources[0].from).partition_key, "a");
  EXPECT_EQ(pipeline.tables[0].sql.text, "SELECT '$', 'x\nsources: {}', $x");
  EXPECT_EQ(errors_of("tables:\n  t: {from: \"${NONE}\", sql: '${', commit: {every: '${1}'}}\n"),
            "6:13 the environment variable NONE is not set; set it, or write ${NONE:-default}\n"
            "6:29 '${' has no '}'; write '$$' for a plain '$'\n"
            "6:51 '${1}' is no variable; write ${NAME} or ${NAME:-default}\n");
}

TEST_F(ReadPipeline, RefusesWhatIsNoYaml) {
  EXPECT_EQ(errors(""), "1:1 the file is empty; it starts with `pipeline: NAME`\n");
  EXPECT_EQ(errors("# nothing\n"), "1:1 the file is empty; it starts with `pipeline: NAME`\n");
  EXPECT_EQ(errors("pipeline:\n\tx: 1\n"),
            "2:1 not YAML: a tab indents this line; YAML takes blanks only\n");
  EXPECT_EQ(errors("pipeline: p\n \tsources: 1\n"),
            "2:2 not YAML: a tab indents this line; YAML takes blanks only\n");
  EXPECT_EQ(errors("pipeline: a: b\n"),
            "1:12 not YAML: illegal map value; a text with ': ' in it needs quotes\n");
  EXPECT_EQ(errors("pipeline: [a\n"), "1:1 not YAML: end of sequence flow not found\n");
  EXPECT_EQ(errors("pipeline: \"a\n"), "1:13 not YAML: illegal EOF in scalar\n");
  EXPECT_EQ(errors("pipeline: p\n---\nsources: {}\n"),
            "3:1 one file holds one pipeline; remove what follows `---`\n");
  EXPECT_EQ(errors("pipeline: p\nx: \xff\n"), "2:4 not UTF-8\n");
  EXPECT_EQ(errors(std::string("pipeline: p\n\0", 13)), "2:1 a NUL byte\n");
  EXPECT_EQ(errors("x: " + std::string(100'000, '[')), "1:1 not YAML: nested too deep\n");
  EXPECT_EQ(errors("- a\n"), "1:1 a mapping with the keys of a file is expected here\n");
  EXPECT_EQ(errors("just text\n"), "1:1 a mapping with the keys of a file is expected here\n");
}

TEST_F(ReadPipeline, RefusesKeysThatStandTwice) {
  EXPECT_EQ(errors_of("pipeline: q\ntables:\n  t: {from: s, from: s, sql: SELECT 1}\n"
                      "  t: {from: s, sql: SELECT 1}\n"),
            "5:1 the key 'pipeline' stands here twice\n"
            "7:16 the key 'from' stands here twice\n"
            "8:3 the key 't' stands here twice\n");
  EXPECT_EQ(errors("pipeline: p\nsources:\n  s: {from: log, schema: {a: int, a: int, A: int}}\n"),
            "3:35 the key 'a' stands here twice\n"
            "3:43 there are two columns 'A'\n");
}

TEST_F(ReadPipeline, ReadsAKinesisSource) {
  const auto pipeline = good(R"(
pipeline: p
sources:
  plain: {from: kinesis, schema: {a: varchar}}
  full:
    from: kinesis
    stream: arn:aws:kinesis:eu-west-1:123456789012:stream/orders
    region: eu-west-1
    start: 2026-11-20T12:00:00Z
    fan_out: millrace
    poll: 1s
    schema: {a: varchar}
)");
  const auto& plain = std::get<KinesisSource>(pipeline.source("plain")->from);
  EXPECT_EQ(plain.stream, "plain");
  EXPECT_EQ(plain.start, KinesisSource::Start::TrimHorizon);
  EXPECT_EQ(plain.poll_every, std::chrono::milliseconds(400));
  const auto& full = std::get<KinesisSource>(pipeline.source("full")->from);
  EXPECT_EQ(full.stream, "arn:aws:kinesis:eu-west-1:123456789012:stream/orders");
  EXPECT_EQ(full.start_at, base::parse_time("2026-11-20T12:00:00Z").value());
  EXPECT_EQ(full.fan_out, "millrace");
}

TEST_F(ReadPipeline, RefusesOneNameForTwoThings) {
  EXPECT_EQ(errors_of("tables: {s: {from: s, sql: SELECT 1}}\njobs: {c: {sql: SELECT 1}}\n"
                      "reports: {s: {sql: SELECT 1}}\n"),
            "5:10 there is a source 's' already\n"
            "5:10 table 's' reads itself, by way of 's'\n"
            "6:8 there is a lookup 'c' already\n");
  const std::string long_name(65, 'a');
  for (const std::string name :
       {"_rejects", "_runs", "_checks", "A", "1a", "a-b", "ä", "''", long_name.c_str()}) {
    EXPECT_TRUE(
        errors_of("tables: {" + name + ": {from: s, sql: SELECT 1}}\n").starts_with("5:10 '"))
        << name;
  }
  good(std::string(kStart) + "tables: {" + std::string(64, 'a') + ": {from: s, sql: SELECT 1}}\n");
}

}  // namespace
}  // namespace millrace::config
