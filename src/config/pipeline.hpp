#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "config/column_type.hpp"
#include "config/cron.hpp"
#include "config/sources.hpp"

namespace millrace::config {

enum class LookupFormat : std::uint8_t { Csv, Parquet, Json };

struct LookupFile {
  std::filesystem::path path;  ///< absolute
};

/// All items of a table.
struct LookupDynamoDb {
  std::string table;
  std::string region;          ///< empty: as the environment says
  int segments = 4;            ///< scanned at once
  int read_units = 0;          ///< a second, at most; 0: no limit
  bool is_consistent = false;  ///< strongly consistent reads, at twice the units
};

/// The rows of a table or a SELECT of PostgreSQL.
struct LookupPostgres {
  std::string url;    ///< may hold a password: never shown
  std::string table;  ///< `table` or `schema.table`; empty: the query
  std::string query;
};

struct Lookup {
  std::string name;
  Place place;
  std::variant<LookupFile, S3Place, LookupDynamoDb, LookupPostgres> from;
  std::vector<Column> columns;  ///< of a table of DynamoDB: only these; empty: all there are
  LookupFormat format = LookupFormat::Csv;
  std::string key;
  std::chrono::microseconds refresh{0};  ///< 0: never
};

enum class Otherwise : std::uint8_t { Reject, Warn, Halt };

struct Expectation {
  std::string name;
  SqlText check;
  Otherwise otherwise = Otherwise::Reject;
};

struct Unique {
  std::string key;
  std::chrono::microseconds within;
  Place place;
};

/// One of a table's lookups: `lookup` is matched by the source's column `column`.
struct TableLookup {
  std::string lookup;
  std::string column;
  Place place;
};

struct CommitPolicy {
  std::chrono::microseconds every;
  std::uint64_t bytes = 0;
};

struct Table {
  std::string name;
  Place place;
  std::string from;  ///< a source, or another table of the pipeline
  bool from_is_table = false;
  std::vector<TableLookup> lookups;
  std::optional<Unique> unique;
  std::vector<Expectation> expectations;
  SqlText sql;
  std::vector<std::string> partition_by;
  CommitPolicy commit;
  std::chrono::microseconds keep{0};  ///< older rows are removed; 0: none are
  Place from_place = {};              ///< no line: what it names was reported already
};

enum class Each : std::uint8_t { None, Hour, Day };

struct Reconcile {
  SqlText left;
  SqlText right;
};

struct Retry {
  int attempts = 3;                      ///< in all
  std::chrono::microseconds first_wait;  ///< doubles with each further attempt
};

/// What must hold for a partition that a job has computed: docs/data_quality.md.
struct ResultCheck {
  enum class Kind : std::uint8_t { NoRows, Rows, Unique, References, Fresh, Drift };
  std::string name;
  Place place;
  Kind kind = Kind::NoRows;
  bool is_warning = false;           ///< it is noted only
  SqlText sql;                       ///< NoRows: gives wrong rows. Drift: gives one value
  std::vector<std::string> columns;  ///< Unique, References, Fresh
  std::string table;                 ///< References
  std::string key;                   ///< References: its column
  std::int64_t rows_min = 0;
  std::optional<std::int64_t> rows_max;
  std::chrono::microseconds within{0};  ///< Fresh
  int runs = 0;                         ///< Drift
  double ratio = 0;                     ///< Drift: 0.5 is 50 %
};
std::string_view name_of(ResultCheck::Kind kind);

/// How a table is made in Redshift, which has no say in it later.
struct RedshiftTable {
  std::vector<std::string> sort_key;   ///< columns, in their order; empty: Redshift chooses
  std::string dist_key;                ///< a column; empty: by `dist_style`
  std::string dist_style;              ///< `auto`, `even`, `all`; empty: `auto`
  std::map<std::string, int> lengths;  ///< bytes that texts of a column may have
};

/// Where a job's result is loaded.
struct Load {
  std::string warehouse;
  std::string table;  ///< `table` or `schema.table`
  Place place;
  std::optional<RedshiftTable> redshift = {};  ///< what only a Redshift table has, if it is said
};

/// How Redshift is asked, and how it gets rows.
struct Redshift {
  std::string workgroup;  ///< of Redshift Serverless; empty: `cluster`, or the warehouse's url
  std::string cluster;
  std::string database;
  std::string db_user;  ///< of a cluster; empty: as who we are in IAM
  std::string secret;   ///< ARN of a secret with user and password, instead
  std::string region;   ///< empty: as the environment says
  S3Place staging;      ///< a prefix, its key ends with `/` or is empty
  std::string role;     ///< ARN of the role as which Redshift reads it, or `default`
};

struct Warehouse {
  enum class Kind : std::uint8_t { Postgres, DuckDb, Redshift };
  std::string name;
  Place place;
  Kind kind = Kind::Postgres;
  std::string url;             ///< may hold a password: never shown
  std::filesystem::path path;  ///< of a DuckDB file, absolute
  Place url_place = {};
  Redshift redshift = {};  ///< of that kind; a url stands in place of all but staging and role
};

/// Who computes a job's runs.
enum class EngineKind : std::uint8_t { Millrace, Spark, Glue };

/// A cluster, by way of spark-submit.
struct SparkEngine {
  std::string submit = "spark-submit";  ///< a name in PATH, or an absolute path
  std::string master;                   ///< empty: as spark-defaults.conf says
  std::string python;                   ///< empty: as PYSPARK_PYTHON says, or python3
  std::vector<std::string> packages;
  std::vector<std::string> py_files;
  std::map<std::string, std::string> conf;  ///< may hold secrets: `sounds_secret`
  std::chrono::microseconds timeout = std::chrono::hours(12);
};

/// A job of AWS Glue.
struct GlueEngine {
  std::string job;
  std::string file;         ///< the pipeline file as the job finds it
  std::string region;       ///< empty: as the environment says
  std::string worker_type;  ///< empty: as the job says
  int workers = 0;          ///< 0: as the job says
  std::map<std::string, std::string> arguments;
  std::chrono::microseconds timeout = std::chrono::hours(8);
};

struct Engines {
  std::optional<SparkEngine> spark;
  std::optional<GlueEngine> glue;
};

/// True for names of settings and variables whose values are not to be seen.
bool sounds_secret(std::string_view name);

struct Job {
  std::string name;
  Place place;
  std::optional<Cron> at;  ///< none: runs only when asked to
  Each each = Each::None;
  std::string each_column;  ///< `day` or `hour`
  SqlText sql;
  std::vector<std::string>
      reads;  ///< tables whose change makes every partition stale, not only the same one
  std::vector<Reconcile> reconcile;
  std::vector<ResultCheck> expectations;
  Retry retry;
  std::optional<Load> load;
  std::chrono::microseconds keep{0};  ///< older partitions are removed; 0: none are
  EngineKind engine = EngineKind::Millrace;
  Place engine_place = {};
  std::string distribute_by;  ///< on Spark: the column of which a task has all rows; empty: none
  Place distribute_place = {};
};

struct Parameter {
  std::string name;
  ColumnType type;
  std::optional<std::string> value;  ///< the default; none: it must be given
};

struct Chart {
  enum class Kind : std::uint8_t { Bar, Line };
  Kind kind = Kind::Bar;
  std::string value;  ///< the column drawn
  std::string by;     ///< the column that labels it
};

struct Report {
  std::string name;
  Place place;
  SqlText sql;
  std::vector<Parameter> parameters;
  std::optional<Chart> chart;
  std::chrono::microseconds max_age{0};  ///< of an answer that is given again; 0: none is older
                                         ///< than its tables
};

/// Where an alert's messages are posted.
struct WebhookTarget {
  std::string url;
  std::vector<std::string> secrets;  ///< each signs every message; the first is the newest
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::microseconds timeout{0};
  int connections = 1;
};
struct SnsTarget {
  std::string topic;  ///< its ARN
};
struct SqsTarget {
  std::string queue;  ///< its URL
};
struct KinesisTarget {
  std::string stream;  ///< its name or ARN
};
/// A topic of Kafka.
struct KafkaTarget {
  std::string brokers;  ///< `host:port,host:port`, to begin with
  std::string topic;
  KafkaSecurity security;
  std::map<std::string, std::string> options;  ///< further properties of librdkafka
};
struct LogTarget {
  std::string level;  ///< `info`, `warn`, `error`
};

struct AlertTarget {
  std::string name;  ///< what it is: `webhook`, `sns`, `sqs`, `kinesis`, `kafka`, `log`
  Place place;
  std::variant<WebhookTarget, SnsTarget, SqsTarget, KinesisTarget, KafkaTarget, LogTarget> to;
};

/// At most `count` in each span `per` of the calendar.
struct Rate {
  std::int64_t count = 0;
  std::chrono::microseconds per{0};
};

/// Messages about rows of a table. An empty SQL text is one that was left out.
struct Alert {
  std::string name;
  Place place;
  std::string from;
  SqlText when;                        ///< empty: every row
  SqlText select;                      ///< empty: all columns
  SqlText group_by;                    ///< empty: all rows are one group
  std::chrono::microseconds wait{0};   ///< how long rows are gathered; 0: each goes alone
  std::chrono::microseconds every{0};  ///< between two messages of a group; 0: no limit
  std::optional<Rate> at_most;
  std::chrono::microseconds retry_for{0};
  bool is_bare = false;        ///< the body is the row's own object
  bool keeps_all_rows = true;  ///< in `_alerts`; else only those that were not sent
  std::vector<AlertTarget> targets;
  std::optional<AlertTarget> dead_letter;
  Place from_place = {};  ///< no line: what it names was reported already
};

/// One of the file's own tests. `given` are raw records per source, in order; `rows` are the
/// expected rows of `sql` (whose FROM, if left out, is the table), as texts; none is NULL.
struct PipelineTest {
  struct Given {
    std::string source;
    std::vector<std::string> records;
    Place place = {};
  };
  struct Expected {
    std::string table;
    SqlText sql;
    std::vector<std::vector<std::optional<std::string>>> rows;
    Place place = {};
  };
  std::string name;
  Place place;
  std::vector<Given> given;
  std::optional<std::string> now;  ///< RFC 3339; the fixed clock's time
  std::vector<Expected> expect;
};

/// Metrics as CloudWatch is to see them.
struct MetricsExport {
  std::string name_space;
  std::chrono::microseconds every;
  std::map<std::string, std::string> dimensions;  ///< of all metrics
  std::set<std::string> labels;                   ///< which become dimensions
};

struct EmbeddedMetrics {
  MetricsExport what;
  std::filesystem::path to;  ///< absolute; empty: standard output
};

struct MetricsTargets {
  std::optional<MetricsExport> cloudwatch;
  std::optional<EmbeddedMetrics> embedded;
};

/// A pipeline file that was read and checked, but for its SQL (room `flow` and `batch` check that).
struct Pipeline {
  std::string name;
  std::string timezone;        ///< an IANA name
  std::filesystem::path file;  ///< absolute
  std::string lake;            ///< `s3://bucket/prefix`, an absolute folder; empty: the data folder
  std::vector<Source> sources;
  std::vector<Lookup> lookups;
  std::vector<Table> tables;  ///< a table comes after the one that it reads
  std::vector<Job> jobs;  ///< a job comes after the jobs whose tables it reads, once SQL is known
  std::vector<Warehouse> warehouses;
  Engines engines;
  std::vector<Report> reports;
  std::vector<Alert> alerts;
  std::vector<PipelineTest> tests;
  MetricsTargets metrics;
  std::optional<Cron> maintenance;  ///< when tables are put in order; none: never

  bool is_lake_on_s3() const { return lake.starts_with("s3://"); }
  /// Other processes may work on the same tables at the same time.
  bool has_many_workers() const;

  const Source* source(std::string_view name_) const;
  const Lookup* lookup(std::string_view name_) const;
  const Table* table(std::string_view name_) const;
  const Job* job(std::string_view name_) const;
  const Warehouse* warehouse(std::string_view name_) const;
  const Report* report(std::string_view name_) const;
  const Alert* alert(std::string_view name_) const;
  /// The source at the head of the chain of tables that `table` reads from.
  const Source& root_source(const Table& table) const;
};

}  // namespace millrace::config
