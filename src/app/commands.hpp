#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/screen.hpp"
#include "base/event_log.hpp"
#include "base/units.hpp"
#include "deploy/options.hpp"
#include "os/disk.hpp"

namespace millrace::app {

using namespace base::literals;

enum class Output : std::uint8_t { Table, Csv, Json };

/// `millrace run`.
struct RunOptions {
  os::Path file;
  os::Path data = "millrace-data";
  std::string listen = "127.0.0.1:8080";
  bool is_insecure = false;  ///< may listen beyond loopback
  os::Path tls_certificate;  ///< with its key: TLS is spoken; both empty: it is not
  os::Path tls_key;
  bool accepts_new_source = false;
  bool accepts_lost_records = false;
  os::Path aws_keys;  ///< keys that Kinesis requests must be signed with; empty: none
  std::string memory = "1GiB";
  std::uint32_t job_threads = 0;  ///< 0: two for each core, at most 8
  std::string lake_cache = "2GiB";
  std::string report_cache = "32MiB";
  base::LogFormat log_format = base::LogFormat::Text;
  base::Level log_level = base::Level::Info;
};
Exit run_pipeline(const RunOptions& options, Screen& screen);

/// `millrace lambda`: what a function of AWS Lambda starts. Other settings are the environment's.
struct LambdaOptions {
  os::Path file;  ///< empty: MILLRACE_PIPELINE, or pipeline.yaml beside the program
};
Exit run_lambda(const LambdaOptions& options, Screen& screen);

/// `millrace validate`.
struct ValidateOptions {
  os::Path file;
  Output output = Output::Table;
  bool is_for_spark = false;     ///< say also what Spark cannot run
  bool wants_schema = false;     ///< print the JSON Schema of pipeline files
  bool wants_reference = false;  ///< print the reference page of pipeline files
};
Exit validate_file(const ValidateOptions& options, Screen& screen);

/// `millrace plan`: the file against what last ran on the data folder.
struct PlanOptions {
  os::Path file;
  os::Path data = "millrace-data";
  Output output = Output::Table;
};
Exit show_plan(const PlanOptions& options, Screen& screen);

/// `millrace test`.
struct TestOptions {
  os::Path file;
  std::string name;  ///< only tests with this in their name
  Output output = Output::Table;
};
Exit test_file(const TestOptions& options, Screen& screen);

/// `millrace doctor`: the file, if given, and the data folder.
struct DoctorOptions {
  os::Path file;
  os::Path data = "millrace-data";
  std::string listen = "127.0.0.1:8080";
  Output output = Output::Table;
};
Exit examine(const DoctorOptions& options, Screen& screen);

/// `millrace deploy aws`.
struct DeployOptions {
  os::Path file;
  os::Path out;                   ///< the folder that is written; empty with `is_plan`
  bool is_plan = false;           ///< say what it would be, and write nothing
  std::string retention = "24h";  ///< of the streams
  deploy::Options how;
  Output output = Output::Table;  ///< of the plan
};
Exit deploy_to_aws(const DeployOptions& options, Screen& screen);

/// `millrace lookup load`.
struct LookupLoadOptions {
  os::Path file;
  std::string lookup;
  os::Path from;  ///< CSV, Parquet or JSON
};
Exit load_lookup(const LookupLoadOptions& options, Screen& screen);

/// What every companion of a running instance takes.
struct DataOptions {
  os::Path data = "millrace-data";
  Output output = Output::Table;
};

struct QueryOptions {
  DataOptions data;
  std::string sql;                      ///< `-`: from standard input
  std::vector<std::string> parameters;  ///< `name=value`
  std::uint64_t rows_max = 10'000;
  std::string timeout = "1m";
};
Exit query_tables(const QueryOptions& options, Screen& screen);

/// `millrace tail`.
struct TailOptions {
  os::Path data = "millrace-data";
  std::string table;
  std::uint64_t limit = 0;  ///< end after so many rows; 0: never
};
Exit tail_table(const TailOptions& options, Screen& screen);

struct ReportOptions {
  DataOptions data;
  std::string report;                   ///< empty: list them
  std::vector<std::string> parameters;  ///< `name=value`
};
Exit show_report(const ReportOptions& options, Screen& screen);

struct JobOptions {
  DataOptions data;
  std::string job;
  std::optional<std::string> partition;
  std::string from;
  std::string to;
  bool is_dry_run = false;
  std::uint64_t limit = 20;
};
Exit list_jobs(const JobOptions& options, Screen& screen);
Exit list_runs(const JobOptions& options, Screen& screen);
Exit run_job(const JobOptions& options, Screen& screen);
Exit load_job(const JobOptions& options, Screen& screen);
Exit prove_job(const JobOptions& options, Screen& screen);
Exit backfill_job(const JobOptions& options, Screen& screen);

struct RejectsOptions {
  DataOptions data;
  std::string table;
  std::string reason;
  std::string stage;
  std::string since;
  std::vector<std::string> ids;
  bool has_duplicates = false;
  std::uint64_t limit = 20;
};
Exit list_rejects(const RejectsOptions& options, Screen& screen);
Exit show_rejects(const RejectsOptions& options, Screen& screen);
Exit replay_rejects(const RejectsOptions& options, Screen& screen);

struct AlertsCommandOptions {
  DataOptions data;
  std::string alert;
  std::string target;
  std::string outcome;
  std::string since;
  std::vector<std::string> ids;
  std::uint64_t limit = 20;
};
Exit list_alerts(const AlertsCommandOptions& options, Screen& screen);
Exit show_alerts(const AlertsCommandOptions& options, Screen& screen);
Exit retry_alerts(const AlertsCommandOptions& options, Screen& screen);

struct TableOptions {
  DataOptions data;
  std::string table;
  std::string target_bytes;
  std::string retention = "7d";
  bool is_dry_run = false;
  std::uint64_t limit = 20;
};
Exit list_tables(const TableOptions& options, Screen& screen);
Exit show_history(const TableOptions& options, Screen& screen);
Exit compact_table(const TableOptions& options, Screen& screen);
Exit vacuum_table(const TableOptions& options, Screen& screen);
/// Without a table: all of them.
Exit maintain_tables(const TableOptions& options, Screen& screen);

Exit show_status(const DataOptions& options, Screen& screen);

}  // namespace millrace::app
