#include <gtest/gtest.h>

#include "base/units.hpp"
#include "config/test_errors.hpp"

namespace millrace::config {
namespace {

std::string source(std::string_view text) {
  return errors("sources:\n  s: {from: kafka, schema: {a: varchar}, " + std::string(text) + "}\n");
}
std::string secured(std::string_view text) {
  return source("brokers: b, security: {" + std::string(text) + "}");
}
KafkaSource read(std::string_view text) {
  const auto parsed = parse_pipeline(
      "pipeline: p\nsources:\n  s: {from: kafka, schema: {a: varchar}, " + std::string(text) +
          "}\n",
      "/test/p.yaml", [](const std::string& name) { return std::optional("the " + name); });
  return std::get<KafkaSource>(std::get<Pipeline>(parsed).source("s")->from);
}
void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks " << part;
}

TEST(ReadKafka, HasDefaults) {
  const auto kafka = read("brokers: 'a:9092, b'");
  EXPECT_EQ(kafka.brokers, "a:9092,b");
  EXPECT_EQ(kafka.topic, "s");
  EXPECT_EQ(kafka.start, KafkaSource::Start::Earliest);
  EXPECT_FALSE(kafka.reads_uncommitted);
  EXPECT_FALSE(kafka.skips_tombstones);
  EXPECT_FALSE(kafka.security.is_encrypted);
  EXPECT_EQ(kafka.security.mechanism, "");
}

TEST(ReadKafka, ReadsAllThereIs) {
  const auto kafka =
      read(R"(brokers: ["a:9092", "[::1]:9093"], topic: orders.v2, start: '2026-11-20T12:00:00Z',
    isolation: read_uncommitted, tombstones: skip, group: g, options: {client.rack: r},
    security: {protocol: sasl_ssl, mechanism: SCRAM-SHA-512, user: u, password: "${P}", ca: ca.pem,
               certificate: c.pem, key: /k.pem, key_password: "${K}"})");
  EXPECT_EQ(kafka.brokers, "a:9092,[::1]:9093");
  EXPECT_EQ(kafka.topic, "orders.v2");
  EXPECT_EQ(kafka.start_at, base::parse_time("2026-11-20T12:00:00Z").value());
  EXPECT_TRUE(kafka.reads_uncommitted);
  EXPECT_TRUE(kafka.skips_tombstones);
  EXPECT_EQ(kafka.group, "g");
  EXPECT_EQ(kafka.options.at("client.rack"), "r");
  EXPECT_TRUE(kafka.security.is_encrypted);
  EXPECT_EQ(kafka.security.mechanism, "SCRAM-SHA-512");
  EXPECT_EQ(kafka.security.password, "the P");
  EXPECT_EQ(kafka.security.ca, "/test/ca.pem");
  EXPECT_EQ(kafka.security.key, "/k.pem");
  EXPECT_EQ(kafka.security.key_password, "the K");
}

TEST(ReadKafka, ReadsWhereSchemasAre) {
  const auto parsed = parse_pipeline(
      R"(pipeline: p
sources:
  s: {from: kafka, brokers: b, format: protobuf, unknown_fields: keep, schema: {a: varchar},
      registry: {url: "https://registry:8081/", user: u, password: "${P}", ca: ca.pem}}
)",
      "/test/p.yaml", [](const std::string& name) { return std::optional("the " + name); });
  const auto* source = std::get<Pipeline>(parsed).source("s");
  EXPECT_EQ(source->format, Format::Protobuf);
  EXPECT_EQ(source->registry->url, "https://registry:8081");
  EXPECT_EQ(source->registry->user, "u");
  EXPECT_EQ(source->registry->password, "the P");
  EXPECT_EQ(source->registry->ca, "/test/ca.pem");
}

TEST(ReadKafka, ReadsColumnsOfHeadersAndTheKey) {
  const auto parsed = parse_pipeline(
      R"(pipeline: p
sources:
  s:
    from: kafka
    brokers: b
    schema: {a: varchar}
    headers: {trace_id: x-trace-id, tenant: tenant, again: tenant}
    key_column: customer
    partition_key: customer
lookups:
  tenants: {from: "dynamodb://ten", region: a, key: tenant, columns: {tenant: varchar}}
tables:
  t:
    from: s
    lookups: {tenants: tenant}
    unique: {key: customer, within: 1h}
    sql: SELECT * FROM s
)",
      "/test/p.yaml");
  const auto* pipeline = std::get_if<Pipeline>(&parsed);
  ASSERT_TRUE(pipeline) << std::get<Problems>(parsed).errors.front().text();
  std::string columns;
  for (const auto& column : pipeline->source("s")->columns()) {
    columns += column.name + " " + sql_of(column.type) + ",";
  }
  EXPECT_EQ(columns, "a VARCHAR,trace_id VARCHAR,tenant VARCHAR,again VARCHAR,customer VARCHAR,");
  EXPECT_EQ(pipeline->source("s")->headers[0].header, "x-trace-id");
}

TEST(ReadKafka, SaysWhatIsWrongWithHeaders) {
  expect_has(source("brokers: b, headers: {A: x}"), "3:64 there are two columns 'A'");
  expect_has(source("brokers: b, headers: {_shard: x}"), "names that start with _");
  expect_has(source("brokers: b, headers: {'q\"': x}"), "a name has 1 to 128 bytes");
  expect_has(source("brokers: b, headers: {b: x, B: y}"), "there are two columns 'B'");
  expect_has(source("brokers: b, headers: {b: ''}"), "'b' needs the name of a header");
  expect_has(source("brokers: b, headers: [x]"), "entries `column: header` are expected");
  expect_has(source("brokers: b, headers: {b: {c: d}}"), "headers");
  expect_has(source("brokers: b, key_column: a"), "there are two columns 'a'");
  expect_has(source("brokers: b, headers: {k: x}, key_column: k"), "there are two columns 'k'");
  expect_has(source("brokers: b, key_column: _key"), "names that start with _");
  expect_has(source("brokers: b, key_column: ''"), "a name has 1 to 128 bytes");
  std::string many;
  for (int i = 0; i < 101; ++i) many += "h" + std::to_string(i) + ": x, ";
  expect_has(source("brokers: b, headers: {" + many + "}"), "headers: 100 at most, not 101");
  const std::string log = "sources:\n  s: {from: log, schema: {a: varchar}, ";
  expect_has(errors(log + "headers: {b: x}}\n"), "'headers' is only for from: kafka");
  expect_has(errors(log + "key_column: k}\n"), "'key_column' is only for from: kafka");
}

TEST(ReadKafka, AColumnOfAHeaderIsNotALookupsName) {
  expect_has(errors(R"(sources:
  s: {from: kafka, brokers: b, schema: {a: varchar}, headers: {tenants: x}}
lookups: {tenants: {from: a.csv, key: id}}
tables:
  t: {from: s, lookups: {tenants: x}, sql: SELECT * FROM s}
)"),
             "would be a second column 'tenants'");
}

TEST(ReadKafka, SaysWhatIsWrongWithARegistry) {
  expect_has(source("brokers: b, format: avro"), "format: avro needs the key 'registry'");
  expect_has(source("brokers: b, registry: {url: 'http://r'}"),
             "'registry' is only for format: avro");
  expect_has(source("brokers: b, format: avro, registry: {user: u}"), "'url' is missing");
  expect_has(source("brokers: b, format: avro, registry: {url: r}"), "url: 'r' is no URL");
  expect_has(source("brokers: b, format: avro, registry: {url: 'http://r', user: u}"),
             "'user' and 'password' go together");
  expect_has(source("brokers: b, format: avro, registry: {url: 'http://r', user: u, password: x}"),
             "a secret does not belong into the file");
  expect_has(errors("sources:\n  s: {from: log, format: avro, schema: {a: varchar}}\n"),
             "format: avro is only for from: kafka");
}

TEST(ReadKafka, ManyWorkersNeedALakeAndHaveAGroup) {
  const std::string source =
      "sources:\n  s: {from: kafka, brokers: b, workers: many, schema: {a: varchar, b: varchar}";
  const auto parsed =
      parse_pipeline("pipeline: p\nlake: file:///srv/lake/\n" + source + "}\n", "/test/p.yaml");
  const auto& pipeline = std::get<Pipeline>(parsed);
  EXPECT_EQ(pipeline.lake, "/srv/lake");
  EXPECT_TRUE(pipeline.has_many_workers());
  EXPECT_EQ(std::get<KafkaSource>(pipeline.source("s")->from).group, "p/s");
  expect_has(errors(source + "}\n"), "3:3 source 's': workers: many needs the key `lake`");
}

TEST(ReadKafka, UniqueNeedsThePartitionKeyWhereThereAreManyWorkers) {
  const auto with = [](const std::string& key, const std::string& table) {
    return errors("lake: ./lake\nsources:\n  s: {from: kafka, brokers: b, workers: many, " + key +
                  "schema: {a: varchar, b: varchar}}\ntables:\n  t: {from: s, sql: SELECT * FROM "
                  "s, unique: {key: a, within: 1h}}\n" +
                  table);
  };
  EXPECT_EQ(with("partition_key: a, ", ""), "");
  expect_has(with("", ""), "6:46 unique: several workers share 's'");
  expect_has(with("", ""), "say so by `partition_key: a` in source 's'");
  expect_has(with("partition_key: b, ", ""), "by its partition_key 'b', and 'a' is another column");
  expect_has(with("partition_key: c, ", ""), "partition_key: there is no column 'c'");
  expect_has(with("partition_key: a, ",
                  "  u: {from: t, sql: SELECT * FROM t, unique: {key: a, within: 1h}}\n"),
             "7:46 unique: several workers share 's', and only a table that reads it itself");
}

TEST(ReadKafka, SaysWhatIsWrong) {
  expect_has(source("topic: t"), "the key 'brokers' is missing");
  expect_has(source("brokers: 'http://host:9092'"), "is not written like `kafka.example.com:9092`");
  expect_has(source("brokers: 'host:0'"), "is not written like");
  expect_has(source("brokers: ','"), "brokers: is empty");
  expect_has(source("brokers: b, topic: a/b"), "topic: 'a/b' is no name of a topic");
  expect_has(source("brokers: b, start: trim_horizon"), "earliest, latest or a time");
  expect_has(source("brokers: b, isolation: none"), "isolation: 'none' is not one of");
  expect_has(source("brokers: b, shards: 2"), "'shards' is only for from: log");
  expect_has(source("brokers: b, stream: x"), "'stream' is only for from: kinesis");
  expect_has(source("brokers: b, region: x"), "'region' is only for");
  expect_has(errors("sources: {s: {from: log, schema: {a: varchar}, topic: x}}"),
             "'topic' is only for from: kafka");
  expect_has(errors("sources: {s: {from: log, schema: {a: varchar}, start: latest}}"),
             "'start' is only for from: kinesis and from: kafka");
}

TEST(ReadKafka, RefusesOptionsThatAreOurs) {
  expect_has(source("brokers: b, options: {auto.offset.reset: earliest}"),
             "'auto.offset.reset' cannot be set here");
  expect_has(source("brokers: b, options: {sasl.password: x}"), "cannot be set here");
  expect_has(source("brokers: b, options: {client.rak: x}"), "did you mean 'client.rack'?");
}

TEST(ReadKafka, SecurityFitsTogether) {
  EXPECT_EQ(secured("protocol: ssl"), "");
  expect_has(secured("protocol: sasl_ssl"), "needs the key 'mechanism'");
  expect_has(secured("protocol: ssl, user: u"), "'user' is only for protocol: sasl_ssl");
  expect_has(secured("protocol: plaintext, ca: c"), "'ca' is only for protocol: ssl, sasl_ssl");
  expect_has(secured("protocol: ssl, certificate: c"), "'certificate' and 'key' go together");
  const auto written =
      secured("protocol: sasl_plaintext, mechanism: PLAIN, user: u, password: hush-hush");
  expect_has(written, "a secret does not belong into the file");
  EXPECT_EQ(written.find("hush-hush"), std::string::npos);
  expect_has(secured("protocol: sasl_ssl, mechanism: GSSAPI, user: u, password: '${P}'"),
             "mechanism: 'GSSAPI' is not one of");
}

}  // namespace
}  // namespace millrace::config
