#pragma once

#include <gtest/gtest.h>

#include <atomic>

#include "batch/jobs.hpp"
#include "config/read.hpp"
#include "lake/data_file.hpp"
#include "lake/rewrite.hpp"
#include "os/fault_disk.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::batch {

using namespace std::chrono_literals;

inline base::Time time_of(const std::string& text) {
  return base::parse_time(text).value();
}

/// The stream half as a test sees it.
class TestStream final : public StreamState {
 public:
  base::Time watermark(std::string_view) override { return now; }
  base::Result<void> take_in() override {
    ++commits;
    return {};
  }
  base::Time now = time_of("2100-01-01T00:00:00Z");
  std::atomic<int> commits = 0;
};

inline config::Pipeline pipeline_of(const std::string& text) {
  auto read = config::parse_pipeline(text, "/test/shop.yaml");
  if (auto* problems = std::get_if<config::Problems>(&read)) {
    for (const auto& error : problems->errors) ADD_FAILURE() << error.text();
    return {};
  }
  return std::get<config::Pipeline>(std::move(read));
}

/// A pipeline with one table `orders`, by day, and the jobs of a test.
inline std::string shop(const std::string& jobs, const std::string& zone = "Europe/Berlin") {
  return "pipeline: shop\ntimezone: " + zone + R"yaml(
sources:
  raw:
    from: log
    schema: {id: varchar, customer: varchar, amount: "decimal(12,2)", ts: timestamptz}
    event_time: {column: ts, lateness: 1m}
tables:
  orders:
    from: raw
    sql: SELECT id, customer, amount, ts, CAST(ts AS DATE) AS day FROM raw
    partition_by: [day]
)yaml" + jobs;
}

/// Real tables in a folder of their own, an engine, and a clock that stands still. Jobs are opened
/// as often as wanted, as after a restart.
class JobsBench {
 public:
  explicit JobsBench(const std::string& text, const std::string& now = "2026-11-21T09:00:00Z",
                     std::vector<std::string> partition_by = {"day"})
      : pipeline(pipeline_of(text)), clock(time_of(now)) {
    engine = std::move(sql::Instance::open({.threads = 2, .time_zone = pipeline.timezone})).value();
    connection.emplace(engine->connect().value());
    orders = std::move(lake::Table::open_or_create(folder.path() / "tables" / "orders",
                                                   order_columns(), partition_by, tools()))
                 .value();
    board.add_table("orders", *orders);
  }

  static lake::Schema order_columns() {
    return {{"id", sql::Type(DUCKDB_TYPE_VARCHAR)},
            {"customer", sql::Type(DUCKDB_TYPE_VARCHAR)},
            {"amount", sql::Type::decimal(12, 2)},
            {"ts", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)},
            {"day", sql::Type(DUCKDB_TYPE_DATE)}};
  }

  lake::Tools tools() { return {disk, *engine, clock, random, {log, metrics}}; }

  JobsParts parts() {
    return {.pipeline = pipeline,
            .tools = tools(),
            .board = board,
            .stream = stream,
            .folder = folder.path(),
            .options = {.poll = 2ms}};
  }
  std::unique_ptr<Jobs> open() {
    auto jobs = Jobs::open(parts());
    if (!jobs) ADD_FAILURE() << jobs.error().text();
    return jobs ? std::move(*jobs) : nullptr;
  }

  /// Commits one order; its day is that of the pipeline's zone.
  void order(const std::string& customer, const std::string& amount, const std::string& ts) {
    const auto relation = "(SELECT 'o" + std::to_string(++order_count) + "' AS id, '" + customer +
                          "' AS customer, " + amount + "::DECIMAL(12,2) AS amount, TIMESTAMPTZ '" +
                          ts + "' AS ts, CAST(TIMESTAMPTZ '" + ts + "' AS DATE) AS day)";
    lake::Transaction change{.adds =
                                 lake::write_data_files(*connection, *orders, relation).value()};
    ASSERT_TRUE(std::holds_alternative<lake::Committed>(orders->commit(change).value()));
    board.publish();
    clock.advance(1s);
  }

  /// The rows of a SELECT over the tables as they are, `1|a, 2|b`.
  std::string rows(const std::string& select) {
    for (const auto& name : board.table_names()) {
      auto& table = *board.table(name);
      (void)table.refresh().value();
      connection
          ->run("CREATE OR REPLACE TEMP VIEW " + name + " AS " +
                lake::scan_sql(table.root(), *table.snapshot()))
          .value();
    }
    return connection
        ->scalar(
            "SELECT coalesce(string_agg(line, ', '), '') FROM (SELECT concat_ws('|', "
            "*COLUMNS(*)) AS line FROM (" +
            select + "))")
        .value()
        .value_or("NULL");
  }
  std::string history() {
    return rows("SELECT job, \"partition\", status, \"trigger\" FROM _runs ORDER BY ALL");
  }
  /// How the partitions of a job stand: `2026-11-20 fresh, 2026-11-21 stale`.
  std::string states(Jobs& jobs, const std::string& job) {
    std::string text;
    const auto list = jobs.list().value();
    for (const auto& status : list) {
      if (status.name != job) continue;
      for (const auto& each : status.partitions) {
        text +=
            (text.empty() ? "" : ", ") + each.partition + " " + std::string(name_of(each.state));
      }
    }
    return text;
  }

  /// Whether an attempt at a run of the job has failed, and the time of the next is set.
  bool has_failed_once(const std::string& job) const {
    const auto line = "millrace_job_retries_total{job_name=\"" + job + "\"} 1";
    return metrics.exposition().find(line) != std::string::npos;
  }

  os::TestFolder folder;
  os::RealDisk real_disk;
  os::FaultDisk disk{real_disk};
  const config::Pipeline pipeline;
  base::FixedClock clock;
  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  std::unique_ptr<sql::Instance> engine;
  std::optional<sql::Connection> connection;
  std::unique_ptr<lake::Table> orders;
  flow::CutBoard board;
  TestStream stream;
  int order_count = 0;
};

}  // namespace millrace::batch
