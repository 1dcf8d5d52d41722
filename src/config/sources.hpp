#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "config/column_type.hpp"
#include "config/place.hpp"

namespace millrace::config {

enum class Format : std::uint8_t { Json, Csv, Avro, Protobuf };
enum class UnknownFields : std::uint8_t { Ignore, Reject, Keep };

struct EventTime {
  std::string column;
  std::chrono::microseconds lateness{0};
};

/// The embedded stream.
struct LogSource {
  int shards = 1;
  std::string partition_key;                 ///< a column, or empty: spread evenly
  std::chrono::microseconds retention_time;  ///< older segments go once every reader has them
  std::uint64_t retention_bytes = 0;         ///< per stream; the log is full above it
};

/// Where something lies on S3, and who may be asked for it.
struct S3Place {
  std::string bucket;
  std::string key;            ///< of an object, or a prefix, or a glob
  std::string region = {};    ///< empty: as the environment says
  bool is_anonymous = false;  ///< requests are not signed: it is open to everybody

  std::string text() const { return "s3://" + bucket + "/" + key; }
};

/// Files of one folder, read once each, oldest name first, and watched for new ones.
struct FilesSource {
  std::string glob;                ///< absolute, `/data/in/*.ndjson`, also `.gz` and `.zst`
  bool header = true;              ///< CSV: the first line of each file names the columns
  std::optional<S3Place> s3 = {};  ///< the glob is one of names on S3, and this is where
  std::chrono::microseconds look_every{1'000'000};  ///< how often new ones are looked for
};

/// A Kinesis data stream, AWS's or of whatever endpoint the environment names.
struct KinesisSource {
  enum class Start : std::uint8_t { TrimHorizon, Latest, Time };
  std::string stream;                ///< its name, or its ARN
  std::string region;                ///< empty: the ARN's, or else the environment's
  Start start = Start::TrimHorizon;  ///< where the first reading begins
  base::Time start_at;               ///< of Start::Time
  std::string fan_out;               ///< a consumer's name or ARN; empty: by polling
  std::chrono::milliseconds poll_every{400};
};

/// Who we are to Kafka's brokers, and how we know them.
struct KafkaSecurity {
  bool is_encrypted = false;
  std::string mechanism;  ///< of SASL, `PLAIN`; empty: no user
  std::string user;
  std::string password;               ///< never shown
  std::filesystem::path ca;           ///< PEM, absolute; empty: the system's
  std::filesystem::path certificate;  ///< PEM, absolute; empty: none
  std::filesystem::path key;          ///< of the certificate
  std::string key_password;           ///< never shown
};

/// A topic of Kafka, or of what speaks its protocol.
struct KafkaSource {
  enum class Start : std::uint8_t { Earliest, Latest, Time };
  std::string brokers;  ///< `host:port,host:port`, to begin with
  std::string topic;
  Start start = Start::Earliest;  ///< where the first reading begins
  base::Time start_at;            ///< of Start::Time
  bool reads_uncommitted = false;
  bool skips_tombstones = false;  ///< records without a value are passed over
  /// Whose members share the topic's partitions, or, of one worker, which is told how far the
  /// tables are; empty: none.
  std::string group;
  bool has_many_workers = false;  ///< any number of processes read it, each its partitions
  std::string partition_key;      ///< the column that chooses the partition; empty: not said
  KafkaSecurity security;
  std::map<std::string, std::string> options;  ///< further properties of librdkafka
};

/// Where the schemas lie that records of Avro and Protobuf name by their ids.
struct SchemaRegistry {
  std::string url;  ///< `https://host:8081`, without a slash at its end
  std::string user;
  std::string password;      ///< never shown
  std::filesystem::path ca;  ///< PEM, absolute; empty: the system's
};

/// A column with the values of a header of records.
struct HeaderColumn {
  std::string column;
  std::string header;
};

struct Source {
  std::string name;
  Place place;
  std::variant<LogSource, FilesSource, KinesisSource, KafkaSource> from;
  Format format = Format::Json;
  std::optional<SchemaRegistry> registry;  ///< of Format::Avro and Protobuf
  std::vector<Column> schema;
  std::vector<HeaderColumn> headers;  ///< of Kafka's records
  std::string key_column;             ///< has the key of Kafka's records; empty: no column has
  UnknownFields unknown_fields = UnknownFields::Ignore;
  std::optional<EventTime> event_time;
  char csv_delimiter = ',';
  std::string csv_null;  ///< the unquoted text that means NULL, by default the empty one

  /// The columns of its rows that come from records: the schema's, of headers, and of the key.
  std::vector<Column> columns() const;
};

}  // namespace millrace::config
