#include <gtest/gtest.h>

#include "config/test_errors.hpp"

namespace millrace::config {
namespace {

std::string source(std::string_view text) {
  return errors("sources:\n  s: {" + std::string(text) + "}\n");
}
/// With a source before it that has the columns a varchar, l int[] and t timestamptz.
std::string after_source(std::string_view text) {
  return errors("sources: {s: {from: log, schema: {a: varchar, l: 'int[]', t: timestamptz}}}\n" +
                std::string(text));
}

TEST(KinesisErrors, NameWhatAKinesisSourceMayHave) {
  const std::string kinesis = "from: kinesis, schema: {a: varchar}, ";
  EXPECT_EQ(source(kinesis + "stream: orders, start: latest, fan_out: f, region: eu-west-1"), "");
  EXPECT_EQ(source(kinesis + "start: '2026-11-20T12:00:00Z', poll: 1s"), "");
  EXPECT_NE(source(kinesis + "start: yesterday").find("trim_horizon, latest or a time"),
            std::string::npos);
  EXPECT_NE(source(kinesis + "shards: 2").find("'shards' is only for from: log"),
            std::string::npos);
  EXPECT_NE(source(kinesis + "stream: ''").find("stream: is empty"), std::string::npos);
  EXPECT_NE(source(kinesis + "poll: 10ms").find("poll"), std::string::npos);
  EXPECT_NE(source("from: log, schema: {a: varchar}, fan_out: x").find("only for from: kinesis"),
            std::string::npos);
}

TEST(HeaderErrors, NameWhatAPlaceForTheLakeIs) {
  const std::string rest = "sources: {s: {from: log, schema: {a: varchar}}}\n";
  EXPECT_EQ(errors("lake: s3://bucket/shop/tables/\n" + rest), "");
  EXPECT_EQ(errors("lake: ''\n" + rest), "");
  EXPECT_EQ(errors("lake: /srv/lake/\n" + rest), "");
  EXPECT_EQ(errors("lake: ./lake\n" + rest), "");
  for (const auto* place : {"s3://bucket", "s3://bucket/", "s3:///shop", "s3://bucket/a//b",
                            "s3://bucket/day=1", "gs://b/a", "/data/day=1", "/", "data/lake",
                            "'/a*'", "s3://bucket/../x", "s3://Bucket/x"}) {
    EXPECT_TRUE(errors("lake: " + std::string(place) + "\n" + rest).starts_with("2:7 lake: '"))
        << place;
  }
}

TEST(MetricsErrors, NameTheMend) {
  EXPECT_EQ(after_source("metrics: {cloudwatch: {}, embedded: {to: metrics.log, labels: []}}"), "");
  EXPECT_EQ(after_source("metrics: {statsd: {}}"),
            "3:11 unknown key 'statsd' in a metrics; known: cloudwatch, embedded\n");
  EXPECT_EQ(
      after_source("metrics: {cloudwatch: {namespace: AWS/EC2}}"),
      "3:35 namespace: 'AWS/EC2' is none: at most 255 letters, digits, '.', '-', '_', '/' and "
      "'#' are expected, and not AWS/ before them\n");
  EXPECT_EQ(after_source("metrics: {cloudwatch: {every: 10ms}}"),
            "3:31 every: 10ms is not within 1s to 1h\n");
  EXPECT_EQ(after_source("metrics: {embedded: {dimensions: {':x': a, b: '', _aws: c}}}"),
            "3:35 dimensions: ':x' cannot be a dimension's name\n"
            "3:47 dimensions: '' cannot be a dimension's value: 1 to 1024 ASCII characters are "
            "expected\n"
            "3:51 dimensions: '_aws' cannot be a dimension's name\n");
  EXPECT_EQ(after_source("metrics: {cloudwatch: {dimensions: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, "
                         "g: 1, h: 1, i: 1, j: 1, k: 1}}}"),
            "3:36 dimensions: 11 are given, 10 are the limit\n");
}

TEST(SourceErrors, NameTheMend) {
  EXPECT_EQ(source("from: log"), "3:6 the key 'schema' is missing: The columns, `name: type`.\n");
  EXPECT_EQ(source("from: log, schema: [a, b]"),
            "3:26 schema: columns like `order_id: varchar` are expected here\n");
  EXPECT_EQ(source("from: log, schema: {}"),
            "3:26 schema: 1 to 1000 columns are expected, not 0\n");
  EXPECT_EQ(source("from: log, schema: {a: 'decimal(0,5)'}"),
            "3:30 'decimal(0,5)' is not a type: the precision is within 1 to 38 and the scale "
            "within 0 to the precision\n");
  EXPECT_EQ(source("from: log, schema: {a: }"), "3:27 a value is missing here\n");
  EXPECT_EQ(source("from: log, schema: {a: {b: int}}"),
            "3:30 one value is expected here, not a list or a mapping\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, partition_key: b"),
            "3:51 partition_key: there is no column 'b'\n");
  EXPECT_EQ(source("from: log, schema: {a: json}, partition_key: a"),
            "3:52 partition_key: 'a' is JSON; a plain value is needed\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, shards: 257"),
            "3:44 shards: 257 is not within 1 to 256\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, shards: two"),
            "3:44 shards: 'two' is not a whole number\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, shards: [1]"),
            "3:44 one value is expected here, not a list or a mapping\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, event_time: {column: a}"),
            "3:57 event_time: 'a' must be a timestamptz: a moment needs its zone\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, event_time: a"),
            "3:48 a mapping with the keys of an event_time is expected here\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, path: x, header: true, delimiter: ','"),
            "3:42 'path' is only for from: files\n"
            "3:53 'header' is only for format: csv\n"
            "3:53 'header' is only for from: files\n"
            "3:70 'delimiter' is only for format: csv\n");
  EXPECT_EQ(source("from: files, schema: {a: int}, shards: 2"),
            "3:6 the key 'path' is missing: a glob like data/orders-*.ndjson\n"
            "3:46 'shards' is only for from: log\n");
  EXPECT_EQ(source("from: log, format: csv, unknown_fields: keep, schema: {a: int}"),
            "3:47 unknown_fields: keep is not for format: csv\n");
  EXPECT_EQ(source("from: log, format: csv, delimiter: '\"', schema: {a: int}"),
            "3:42 delimiter: one ASCII character is expected, no quote or line break\n");
  EXPECT_EQ(source("from: files, path: x, format: csv, header: maybe, schema: {a: int}"),
            "3:50 header: 'maybe' is neither true nor false\n");
  EXPECT_EQ(source("from: log, schema: {a: int}, retention: {time: 10, bytes: 1KB}"),
            "3:54 time: '10' is not a duration like 500ms, 10s, 5m, 24h or 400d\n"
            "3:65 bytes: 1KB is not within 1MiB to 1024TiB\n");
  EXPECT_EQ(errors("sources:\n"), "2:1 sources: names and their settings are expected here\n");
  EXPECT_EQ(errors("sources: [a]\n"), "2:10 sources: names and their settings are expected here\n");
}

TEST(LookupErrors, NameTheMend) {
  const auto text =
      after_source("lookups: {c: {from: gone.csv, key: a, refresh: 1ms, format: xml}}\n");
  EXPECT_NE(text.find("3:21 from: there is no file /"), std::string::npos) << text;
  EXPECT_NE(text.find("gone.csv\n3:48 refresh: 1ms is not within 1s to 366d\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("3:61 format: 'xml' is not one of csv, parquet, json\n"), std::string::npos);
}

TEST(TableErrors, NameTheMend) {
  const auto table = [](std::string_view text) {
    return after_source("tables:\n  t: {from: s, " + std::string(text) + "}\n");
  };
  EXPECT_EQ(table("sql: ''"), "4:21 SQL is expected here\n");
  EXPECT_EQ(table("sql: "), "4:16 a value is missing here\n");
  EXPECT_EQ(table("sql: SELECT 1, lookups: [c]"),
            "4:40 lookups: entries `lookup: column` are expected here\n");
  EXPECT_EQ(table("sql: SELECT 1, lookups: {c: b}"),
            "4:41 there is no lookup 'c'\n"
            "4:41 lookup c: 's' has no column 'b'\n");
  EXPECT_EQ(table("sql: SELECT 1, unique: {key: l, within: 0s}"),
            "4:39 unique: 'l' is INTEGER[]; a plain value is needed\n"
            "4:56 within: 0s is not within 1s to 366d\n");
  EXPECT_EQ(table("sql: SELECT 1, unique: {key: a}"),
            "4:39 the key 'within' is missing: How far apart, in event time, two records with one "
            "key still are the same.\n");
  EXPECT_EQ(table("sql: SELECT 1, expect: [a > 0]"),
            "4:39 expect: names and their checks are expected here\n");
  EXPECT_EQ(table("sql: SELECT 1, expect: {x: a > 0}"),
            "4:43 a mapping with the keys of an expectation is expected here\n");
  EXPECT_EQ(table("sql: SELECT 1, expect: {x: {check: a, otherwise: drop}}"),
            "4:65 otherwise: 'drop' is not one of reject, warn, halt\n");
  EXPECT_EQ(table("sql: SELECT 1, partition_by: [d, d]"),
            "4:45 partition_by: 'd' stands here twice\n");
  EXPECT_EQ(table("sql: SELECT 1, partition_by: {d: 1}"),
            "4:45 one value is expected here, not a list or a mapping\n");
  EXPECT_EQ(table("sql: SELECT 1, commit: {every: 10ms, bytes: 1e9}"),
            "4:47 every: 10ms is not within 100ms to 1d\n"
            "4:60 bytes: '1e9' is not a size like 128MB or 1GiB\n");
  EXPECT_EQ(after_source("tables:\n  x: {from: y, sql: SELECT 1}\n  y: {from: x, sql: SELECT 1}\n"
                         "  z: {from: z, sql: SELECT 1}\n"),
            "4:3 table 'x' reads itself, by way of 'y'\n"
            "5:3 table 'y' reads itself, by way of 'x'\n"
            "6:3 table 'z' reads itself, by way of 'z'\n");
}

TEST(JobErrors, NameTheMend) {
  const auto job = [](std::string_view text) {
    return after_source("jobs:\n  j: {" + std::string(text) + "}\n");
  };
  EXPECT_EQ(job("sql: SELECT 1, at: 0 0 30 2 *"),
            "4:26 at: the schedule '0 0 30 2 *' never fires: no month has such a day\n");
  EXPECT_EQ(job("sql: SELECT 1, each: week"), "4:28 each: 'week' is not one of day, hour\n");
  EXPECT_EQ(job("sql: SELECT 1, each: day"),
            "4:12 each: day runs once per day, but the SQL does not use $day; add `WHERE day = "
            "$day`\n");
  EXPECT_EQ(job("sql: SELECT 1, reads: [u, j]"),
            "4:3 reads: there is no table 'u'\n"
            "4:3 reads: a job does not read its own table\n");
  EXPECT_EQ(job("sql: SELECT 1, reconcile: SELECT 1"),
            "4:33 reconcile: a list of pairs of SELECTs is expected, like `- [SELECT 1, SELECT "
            "1]`\n");
  EXPECT_EQ(job("sql: SELECT 1, reconcile: [[SELECT 1]]"),
            "4:34 reconcile: a pair of SELECTs is expected, like [SELECT 1, SELECT 1]\n");
  EXPECT_EQ(job("sql: SELECT 1, retry: {attempts: 0, wait: 2d}"),
            "4:40 attempts: 0 is not within 1 to 100\n"
            "4:49 wait: 2d is not within 0s to 1d\n");
}

TEST(ReportErrors, NameTheMend) {
  const auto report = [](std::string_view text) {
    return after_source("reports:\n  r: {sql: SELECT 1, " + std::string(text) + "}\n");
  };
  EXPECT_EQ(report("parameters: [limit]"),
            "4:34 parameters: entries `name: default` are expected here\n");
  EXPECT_EQ(report("parameters: {n: {type: integer, default: x}}"),
            "4:38 parameter: 'x' is not a INTEGER\n");
  EXPECT_EQ(report("parameters: {n: {type: 'int[]'}}"),
            "4:38 parameter: a parameter is a plain value, not INTEGER[]\n");
  EXPECT_EQ(report("parameters: {n: {typ: int}}"),
            "4:39 unknown key 'typ' in a parameter; known: type, default\n");
  EXPECT_EQ(report("chart: {by: x}"), "4:29 chart: either 'bar' or 'line' is expected\n");
}

TEST(TestErrors, NameTheMend) {
  const auto test = [](std::string_view text) {
    return after_source("tables: {t: {from: s, sql: SELECT 1}}\ntests:\n" + std::string(text));
  };
  EXPECT_EQ(test("  - {name: x, given: {s: [{a: 1}]}, expect: {t: SELECT 1, rows: []}}\n"),
            "5:27 given: a record is a text, as a client sends it: put it into quotes\n");
  EXPECT_EQ(test("  - {name: x, given: {o: ['{}']}, expect: {u: SELECT 1, rows: []}}\n"),
            "5:23 given: there is no source 'o'\n"
            "5:44 expect: there is no table 'u'\n");
  EXPECT_EQ(test("  - {name: x, given: {s: ['{}']}, expect: {t: SELECT 1}}\n"),
            "5:43 expect: a table with its SELECT, and rows, are expected\n");
  EXPECT_EQ(test("  - {name: x, given: {s: ['{}']}, expect: {t: SELECT 1, rows: [a]}}\n"),
            "5:64 rows: a row is a list of values, like [o1, true]\n");
  EXPECT_EQ(test("  - {name: x, given: [], now: noon, expect: x}\n"),
            "5:22 given: entries `source: [record, …]` are expected here\n"
            "5:31 now: 'noon' is not a time like 2026-11-23T08:30:00Z\n"
            "5:45 expect: a table with its SELECT, and rows, are expected here\n");
  EXPECT_EQ(test("  {name: x}\n"), "5:3 tests: a list is expected, `- name: …`\n");
}

TEST(SqlText, KnowsThePlaceOfEachByte) {
  const auto parsed = parse_pipeline(
      "pipeline: p\nsources: {s: {from: log, schema: {a: int}}}\ntables:\n  t:\n    from: s\n"
      "    sql: |\n\n      SELECT a,\n        b\n      FROM s\n  u: {from: s, sql: \"SELECT x\"}\n",
      "p.yaml");
  const auto& pipeline = std::get<Pipeline>(parsed);
  const auto& block = pipeline.table("t")->sql;
  EXPECT_EQ(block.place_of(block.text.find("SELECT")).text(), "p.yaml:8:7");
  EXPECT_EQ(block.place_of(block.text.find("b\n")).text(), "p.yaml:9:9");
  EXPECT_EQ(block.place_of(block.text.find("FROM")).text(), "p.yaml:10:7");
  const auto& quoted = pipeline.table("u")->sql;
  EXPECT_EQ(quoted.place_of(quoted.text.find("x")).text(), "p.yaml:11:29");
}

TEST(WithCaret, ShowsThePlace) {
  const std::string text = "a: 1\nü: \tx\n" + std::string(300, 'y') + "z\n";
  EXPECT_EQ(with_caret({base::Code::Invalid, "no", "f.yaml:2:6"}, text),
            "f.yaml:2:6: no\n  2 | ü:  x\n    |     ^");
  const auto far = with_caret({base::Code::Invalid, "no", "f.yaml:3:301"}, text);
  EXPECT_EQ(far, "f.yaml:3:301: no\n  3 | " + std::string(60, 'y') + "z\n    | " +
                     std::string(60, ' ') + "^");
  EXPECT_EQ(with_caret({base::Code::Invalid, "no", "f.yaml"}, text), "f.yaml: no");
  EXPECT_EQ(with_caret({base::Code::Invalid, "no", "f.yaml:9:1"}, text), "f.yaml:9:1: no");
}

TEST(ReadPipelineFile, SaysThatItCannotBeRead) {
  const auto parsed = read_pipeline("/nowhere/p.yaml");
  const auto& problems = std::get<Problems>(parsed);
  ASSERT_EQ(problems.errors.size(), 1U);
  EXPECT_EQ(problems.errors[0].code, base::Code::NotFound);
  EXPECT_EQ(problems.errors[0].text(), "/nowhere/p.yaml: the pipeline file cannot be read");
}

TEST(SoundParts, AreLeftOfAWrongFile) {
  const auto parsed = parse_pipeline(R"(pipeline: p
sources:
  right: {from: log, schema: {a: varchar}, shards: 0}
  wrong: {from: log, schema: {a: nonsense}}
lookups:
  gone: {from: /no/such/file.csv, key: a}
tables:
  kept: {from: right, sql: SELECT a FROM right, comit: {every: 1m}}
  child: {from: kept, sql: SELECT a FROM kept, unique: {within: 1h}}
  of_wrong: {from: wrong, sql: SELECT a FROM wrong}
  of_of_wrong: {from: of_wrong, sql: SELECT a FROM of_wrong}
  with_lookup: {from: right, lookups: {gone: a}, sql: SELECT gone.b FROM right}
  misspelt: {from: right, lookps: {gone: a}, sql: SELECT gone.b FROM right}
jobs:
  kept_too: {sql: SELECT a FROM kept, retry: {attempts: no}}
  misspelt_too: {sql: SELECT a FROM kept WHERE day = $day, eah: day}
)",
                                     "/p.yaml");
  const auto* problems = std::get_if<Problems>(&parsed);
  ASSERT_TRUE(problems);
  std::string names;
  for (const auto& table : problems->sound.tables) names += table.name + " ";
  for (const auto& job : problems->sound.jobs) names += job.name + " ";
  EXPECT_EQ(names, "kept child kept_too ");
  EXPECT_FALSE(problems->sound.table("child")->unique);
  names.clear();
  for (const auto& name : problems->gaps.names) names += name + " ";
  EXPECT_EQ(names, "wrong gone of_wrong of_of_wrong with_lookup misspelt misspelt_too ");
  EXPECT_FALSE(problems->gaps.has_unnamed);
}

TEST(SoundParts, MayLackSomeWhoseNamesCouldNotBeRead) {
  const auto parsed = parse_pipeline("pipeline: p\ntabels: {}\n", "/p.yaml");
  ASSERT_TRUE(std::holds_alternative<Problems>(parsed));
  EXPECT_TRUE(std::get<Problems>(parsed).gaps.has_unnamed);
}

/// The errors of an alert with these keys, on its line, after a table t.
std::string alert(std::string_view text) {
  return after_source("tables: {t: {from: s, sql: SELECT a FROM s}}\nalerts:\n  f: {" +
                      std::string(text) + "}\n");
}

TEST(AlertErrors, NameTheMend) {
  EXPECT_EQ(alert("from: t, send: {log: warn}"), "");
  EXPECT_EQ(alert("from: t, send: {log: warn, webhook: ''}"), "");
  EXPECT_EQ(alert("from: u, send: {log: warn}"), "5:13 from: there is no table 'u'\n");
  EXPECT_EQ(alert("from: s, send: {log: warn}"),
            "5:13 from: 's' is a source; an alert reads a table\n");
  EXPECT_EQ(alert("from: t"),
            "5:6 the key 'send' is missing: Where messages go, each kind once.\n");
  EXPECT_EQ(alert("from: t, send: {webhook: ''}"),
            "5:22 send: nowhere to; name a webhook, sns, sqs, kinesis, kafka or log\n");
  EXPECT_EQ(alert("from: t, send: {log: loud}"),
            "5:28 log: 'loud' is not one of info, warn, error\n");
  EXPECT_EQ(alert("from: t, send: {sqs: queue}"),
            "5:28 sqs: 'queue' is not the URL of a queue, like "
            "https://sqs.eu-central-1.amazonaws.com/123456789012/frauds\n");
  EXPECT_EQ(alert("from: t, send: {sns: 'arn:aws:sqs:eu-central-1:1:q'}"),
            "5:28 sns: 'arn:aws:sqs:eu-central-1:1:q' is not the ARN of a topic, like "
            "arn:aws:sns:eu-central-1:123456789012:frauds\n");
  EXPECT_EQ(alert("from: t, send: {log: warn}, at_most: 100"),
            "5:44 at_most: '100' is no rate; `100/m` is expected, with s, m, h or d\n");
  EXPECT_EQ(alert("from: t, send: {log: warn}, at_most: 5/h"), "");
  EXPECT_EQ(alert("from: t, send: {log: warn}, body: row, wait: 5s"),
            "5:41 body: `row` holds one row; `wait` gathers several\n");
  EXPECT_EQ(alert("from: t, send: {kafka: {brokers: 'a:1', topic: b}}, history: failed"), "");
  EXPECT_EQ(alert("from: t, send: {kafka: {brokers: 'a:1'}}, history: failed, every: 1m"),
            "5:58 history: `every` and `at_most` are kept to over restarts by the rows in "
            "`_alerts`; leave them out, or `history`\n");
  EXPECT_EQ(alert("from: t, send: {kafka: {topic: b}}"),
            "5:30 the key 'brokers' is missing: some of them, `host:9092,host:9092`\n");
  EXPECT_EQ(alert("from: t, send: {log: warn}, dead_letter: {log: warn, kinesis: k}"),
            "5:48 dead_letter: one place is expected\n");
}

TEST(AlertErrors, KeepWebhooksFromBadPlacesAndSecretsOutOfTheFile) {
  const auto webhook = [](std::string_view url) {
    return alert("from: t, send: {webhook: '" + std::string(url) + "'}");
  };
  EXPECT_EQ(webhook("https://host:8443/path?a=b"), "");
  EXPECT_EQ(webhook("ftp://host/"),
            "5:32 webhook: 'ftp://host/' is no URL; `https://host/path` is expected\n");
  EXPECT_EQ(webhook("http:///a"), "5:32 webhook: 'http:///a' has no host\n");
  for (const auto* place : {"http://169.254.169.254/latest", "http://[fd00:ec2::254]/"}) {
    EXPECT_NE(webhook(place).find("leads to the machine's own keys"), std::string::npos) << place;
  }
  EXPECT_NE(webhook("https://user:key@host/").find("holds a user or password"), std::string::npos);
  const auto with = [](std::string_view keys) {
    return alert("from: t, send: {webhook: {url: 'http://h/', " + std::string(keys) + "}}");
  };
  EXPECT_EQ(with("secret: '${X:-sixteen characters}'"), "");
  EXPECT_EQ(with("secret: ['${X:-whsec_c2l4dGVlbi1sZXR0ZXJz}', '${Y:-}']"), "");
  EXPECT_NE(with("secret: sixteen characters").find("does not belong into the file"),
            std::string::npos);
  EXPECT_NE(with("secret: '${X:-short}'").find("at least 16 characters"), std::string::npos);
  EXPECT_NE(with("secret: '${X:-whsec_not base64 at all!}'").find("not base64"), std::string::npos);
  EXPECT_NE(with("headers: {webhook-id: a}").find("'webhook-id' cannot be set so"),
            std::string::npos);
  EXPECT_EQ(with("headers: {X-Key: a}"), "");
}

}  // namespace
}  // namespace millrace::config
