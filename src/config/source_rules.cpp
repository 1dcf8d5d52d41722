#include "config/source_rules.hpp"

namespace millrace::config {
namespace {

using enum ValueKind;

std::vector<SectionRule> stream_rules() {
  return {
      {"source",
       "A stream in.",
       {{"from", Words, "log|files|kinesis|kafka", true, "",
         "`log`: the embedded stream, written over HTTP. `files`: the files of a folder. "
         "`kinesis`: a Kinesis data stream. `kafka`: a topic of Kafka."},
        {"shards", Integer, "1..256", false, "1",
         "log: how many parts the stream is split into. Another number reshards the stream at the "
         "next start."},
        {"partition_key", Text, "", false, "",
         "log: the column whose value chooses the shard; records of one value keep their order. "
         "kafka: the column that producers use as the key of their records; `unique` needs it "
         "where several workers share the topic."},
        {"retention", Object, "retention", false, "",
         "log: how long records are kept after every table has them."},
        {"path", Text, "", false, "",
         "files: a glob, relative to this file, or `s3://bucket/prefix/*`; `.gz` and `.zst` are "
         "unpacked."},
        {"look_every", Duration, "1s..1d", false, "10s",
         "files on S3: how often new ones are looked for."},
        {"region", Text, "", false, "the ARN's, or the environment's",
         "kinesis, files on S3: the AWS region of the stream or bucket."},
        {"anonymous", Boolean, "", false, "false",
         "files on S3: requests are not signed, for what is open to everybody."},
        {"stream", Text, "", false, "the source's name", "kinesis: the stream's name, or its ARN."},
        {"start", Text, "", false, "the oldest record",
         "kinesis, kafka: where the first reading begins: `trim_horizon` (Kafka: `earliest`), the "
         "oldest record there is; `latest`, records that come from then on; or a time like "
         "`2026-11-20T12:00:00Z`."},
        {"fan_out", Text, "", false, "",
         "kinesis: read by enhanced fan-out, as the consumer of this name (made if there is none) "
         "or ARN."},
        {"poll", Duration, "200ms..1m", false, "400ms",
         "kinesis: how often a shard is asked for records, unless by fan-out."},
        {"brokers", TextList, "", false, "",
         "kafka: some of the brokers, `host:9092,host:9092`; they name the others."},
        {"topic", Text, "", false, "the source's name", "kafka: the topic."},
        {"isolation", Words, "read_committed|read_uncommitted", false, "read_committed",
         "kafka: whether records of transactions that are not committed are read."},
        {"tombstones", Words, "reject|skip", false, "reject",
         "kafka: what becomes of records without a value: they go to the rejects, or are passed "
         "over and only counted."},
        {"workers", Words, "one|many", false, "one",
         "kafka: `many`: any number of processes with this file, each with a data folder of its "
         "own, divide the topic's partitions; it needs `lake`."},
        {"group", Text, "", false, "the pipeline's and source's names, if workers: many",
         "kafka: the consumer group by which workers divide the partitions, and which is told how "
         "far the tables are, for tools that watch it. Its offsets are never read."},
        {"security", Object, "security", false, "",
         "kafka: how the brokers are known, and who we are to them."},
        {"options", TextMap, "", false, "",
         "kafka: properties of librdkafka, `client.rack: a`; [which](how_to/read_kafka.md)."},
        {"headers", TextMap, "", false, "",
         "kafka: varchar columns, `column: header`; [how](how_to/read_kafka.md#headers-and-keys)."},
        {"key_column", Text, "", false, "",
         "kafka: the name of a varchar column with the records' keys."},
        {"format", Words, "json|csv|avro|protobuf", false, "json",
         "How a record is written. `avro`, `protobuf`: kafka only, with `registry`."},
        {"registry", Object, "registry", false, "",
         "avro, protobuf: where the schemas of records are."},
        {"schema", Columns, "", true, "", "The columns, `name: type`."},
        {"unknown_fields", Words, "ignore|reject|keep", false, "ignore",
         "What becomes of fields that the schema lacks; `keep` (not csv) puts them into the "
         "column `_extra`."},
        {"event_time", Object, "event_time", false, "", "When a record happened."},
        {"delimiter", Text, "", false, ",", "csv: the character that separates fields."},
        {"header", Boolean, "", false, "true", "csv files: the first line names the columns."},
        {"null_text", Text, "", false, "", "csv: the unquoted text that means NULL."}}}};
}

std::vector<SectionRule> source_part_rules() {
  return {
      {"retention",
       "How long a stream keeps its records.",
       {{"time", Duration, "1m..10000d", false, "7d",
         "Older records go, once every table has them."},
        {"bytes", Bytes, "1MiB..1024TiB", false, "10GB",
         "Above it, the oldest records go; if tables still need them, senders are told to wait."}}},
      {"event_time",
       "When a record happened.",
       {{"column", Text, "", true, "", "A column of type timestamptz."},
        {"lateness", Duration, "0s..366d", false, "0s",
         "How late records usually come: scheduled jobs wait that long."}}}};
}

std::vector<SectionRule> security_rules() {
  return {
      {"registry",
       "A schema registry with Confluent's interface.",
       {{"url", Text, "", true, "", "`https://registry.example.com:8081`."},
        {"user", Text, "", false, "", "Who we are."},
        {"password", Text, "", false, "", "`${NAME}`, from the environment."},
        {"ca", Text, "", false, "the system's",
         "A PEM file, relative to this one, with whom its certificate is from."}}},
      {"security",
       "How Kafka's brokers are known, and who we are to them.",
       {{"protocol", Words, "plaintext|ssl|sasl_plaintext|sasl_ssl", true, "",
         "As the brokers' listener has it: `ssl` is encrypted, `sasl` has a user and password."},
        {"mechanism", Words, "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512", false, "",
         "sasl: how the password is shown."},
        {"user", Text, "", false, "", "sasl: who we are."},
        {"password", Text, "", false, "", "sasl: `${NAME}`, from the environment."},
        {"ca", Text, "", false, "the system's",
         "ssl: a PEM file, relative to this one, with whom the brokers' certificates are from."},
        {"certificate", Text, "", false, "", "ssl: a PEM file with our own certificate."},
        {"key", Text, "", false, "", "ssl: a PEM file with its key."},
        {"key_password", Text, "", false, "", "ssl: of the key, `${NAME}`."}}}};
}

}  // namespace

std::vector<SectionRule> source_rules() {
  auto all = stream_rules();
  for (const auto& rules : {source_part_rules(), security_rules()}) {
    all.insert(all.end(), rules.begin(), rules.end());
  }
  return all;
}

}  // namespace millrace::config
