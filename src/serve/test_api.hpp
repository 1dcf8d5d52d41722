#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "config/read.hpp"
#include "flow/reject.hpp"
#include "http/url.hpp"
#include "log/stream.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "serve/api.hpp"

namespace millrace::serve {

/// Keeps an answer in memory.
class TestSink final : public http::AnswerSink {
 public:
  void set_route(std::string_view /*pattern*/) override {}
  void answer(http::Response response) override {
    std::lock_guard lock(mutex_);
    response_ = std::move(response);
    end();
  }
  void start(int status, const http::Headers& headers) override {
    std::lock_guard lock(mutex_);
    response_.status = status;
    response_.headers = headers;
    was_streamed_ = true;
  }
  base::Result<void> write(std::string bytes) override {
    std::unique_lock lock(mutex_);
    if (is_done_) return base::Error{base::Code::Cancelled, "the client is gone"};
    response_.body += bytes;
    changed_.notify_all();
    return {};
  }
  base::Result<void> finish() override {
    std::lock_guard lock(mutex_);
    end();
    return {};
  }
  void abort() override {
    std::lock_guard lock(mutex_);
    was_aborted_ = true;
    end();
  }
  void on_disconnect(std::function<void()> call) override {
    std::lock_guard lock(mutex_);
    on_disconnect_ = std::move(call);
  }

  /// The client goes away.
  void disconnect() {
    std::unique_lock lock(mutex_);
    auto call = std::exchange(on_disconnect_, nullptr);
    lock.unlock();
    if (call) call();
  }
  const http::Response& wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_done_; });
    return response_;
  }
  void wait_for_bytes(std::size_t bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_done_ || response_.body.size() >= bytes; });
  }
  bool was_streamed() const { return was_streamed_; }
  bool was_aborted() const { return was_aborted_; }

 private:
  void end() {
    is_done_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  http::Response response_;
  std::function<void()> on_disconnect_;
  bool is_done_ = false;
  bool was_streamed_ = false;
  bool was_aborted_ = false;
};

inline constexpr const char* kTestPipeline = R"yaml(
pipeline: shop
sources:
  orders:
    from: log
    shards: 2
    partition_key: customer_id
    schema: {order_id: varchar, customer_id: varchar, amount: "decimal(12,2)", day: date}
  clicks:
    from: log
    shards: 2
    schema: {page: varchar}
  payments:
    from: log
    format: csv
    schema: {payment_id: varchar, amount: "decimal(12,2)"}
  archive:
    from: files
    path: in/*.ndjson
    schema: {order_id: varchar}
tables:
  checked_orders:
    from: orders
    sql: SELECT * FROM orders
    partition_by: [day]
jobs:
  daily_sales:
    at: "0 1 * * *"
    each: day
    sql: SELECT customer_id, sum(amount) AS total FROM checked_orders WHERE day = $day GROUP BY ALL
reports:
  top_customers:
    sql: >
      SELECT customer_id, sum(amount) AS total FROM checked_orders
      GROUP BY ALL ORDER BY total DESC, customer_id LIMIT $limit
    parameters: {limit: 2}
    chart: {bar: total, by: customer_id}
  live: {sql: SELECT count(*) AS n FROM checked_orders, max_age: 1h}
  soon: {sql: SELECT count(*) AS n FROM checked_orders, max_age: 50ms}
  days: {sql: SELECT count(*) AS n FROM daily_sales}
  of_a_day:
    sql: SELECT count(*) AS n, sum(amount) AS total FROM checked_orders WHERE day = $day
    parameters: {day: 2026-11-20}
  whole_rows: {sql: SELECT * FROM checked_orders WHERE day = $day, parameters: {day: 2026-11-20}}
  since:
    sql: SELECT day, count(*) AS n FROM checked_orders WHERE day >= $day GROUP BY ALL ORDER BY ALL
    parameters: {day: 2026-11-20}
  all:
    sql: >
      SELECT i, 'o' || i AS id, order_id, amount, day, [i, i + 1] AS l
      FROM checked_orders, range(500) t(i) ORDER BY order_id, i
  second: {sql: SELECT count(*) AS n FROM checked_orders, max_age: 1s}
  none_or_endless:
    sql: >
      SELECT count(*) AS n FROM range(10000000000000) r(i)
      JOIN (SELECT count(*) AS n FROM checked_orders HAVING count(*) > 1) c ON r.i % 7 = c.n
    max_age: 1h
  clock: {sql: SELECT now() AS t}
  large: {sql: "SELECT repeat('x', 200) || i AS t FROM range(5000) t(i)"}
  failing: {sql: "SELECT CAST('x' || count(*) AS INTEGER) AS n FROM checked_orders"}
)yaml";

/// The stream half as jobs see it: complete up to now, and nothing to commit.
class TestStream final : public batch::StreamState {
 public:
  base::Time watermark(std::string_view /*table*/) override { return base::SystemClock().now(); }
  base::Result<void> take_in() override { return {}; }
};

/// The system's time, some of which can be passed over.
class ShiftedClock final : public base::Clock {
 public:
  base::Time now() const override { return system_.now(); }
  base::SteadyTime steady_now() const override { return system_.steady_now() + shift_.load(); }
  void pass_over(std::chrono::microseconds time) { shift_ = shift_.load() + time; }

 private:
  base::SystemClock system_;
  std::atomic<std::chrono::microseconds> shift_{std::chrono::microseconds(0)};
};

/// The whole API over real streams, tables and engines in a folder of its own; only the stream
/// half's threads are left out, whose part tests play themselves.
class TestApi {
 public:
  explicit TestApi(ApiOptions options = {}, std::uint64_t retention_bytes = 1 << 30)
      : options_(options) {
    auto read = config::parse_pipeline(kTestPipeline, folder.path() / "shop.yaml");
    if (const auto* problems = std::get_if<config::Problems>(&read)) {
      base::check_failed(problems->errors.front().text().c_str(), __FILE__, __LINE__);
    }
    pipeline = std::move(std::get<config::Pipeline>(read));
    for (const auto& source : pipeline.sources) {
      const auto* log = std::get_if<config::LogSource>(&source.from);
      if (!log) continue;
      streams[source.name] = std::move(log::Stream::open(folder.path() / "log" / source.name,
                                                         {.name = source.name,
                                                          .shards = log->shards,
                                                          .retention_bytes = retention_bytes},
                                                         {disk, clock, random, telemetry()}))
                                 .value();
    }
    engine = std::move(sql::Instance::open({.threads = 2})).value();
    connection.emplace(engine->connect().value());
    open_tables();
    jobs = std::move(batch::Jobs::open({.pipeline = pipeline,
                                        .tools = tools(),
                                        .board = board,
                                        .stream = stream_half,
                                        .folder = folder.path()}))
               .value();
    proofs = std::make_unique<batch::StreamProofs>(
        batch::StreamProofsParts{.pipeline = pipeline,
                                 .tools = tools(),
                                 .board = board,
                                 .runs = jobs->runs_table(),
                                 .checks = jobs->checks_table()});
    maintenance = std::move(batch::Maintenance::open({.pipeline = pipeline,
                                                      .tools = tools(),
                                                      .board = board,
                                                      .runs = jobs->runs_table()}))
                      .value();
    queries = std::move(flow::QueryEngine::open({.readable = {folder.path()}}, board)).value();
    open_api();
  }

  /// The API and everything below it, anew with these options.
  void open_api() {
    std::map<std::string, log::Stream*> all;
    for (const auto& [name, stream] : streams) all[name] = stream.get();
    api = std::make_unique<Api>(
        ApiParts{.pipeline = pipeline,
                 .streams = all,
                 .queries = *queries,
                 .board = board,
                 .table_status = [this] { return table_status; },
                 .replay =
                     [this](const flow::ReplayRequest& request) {
                       replayed.push_back(request);
                       return base::Result<flow::ReplayStarted>(
                           flow::ReplayStarted{.ids = {"1"}, .records = 2});
                     },
                 .jobs = *jobs,
                 .maintenance = *maintenance,
                 .proofs = *proofs,
                 .lookups = [this] { return lookups; },
                 .unready = [this] { return unready; },
                 .kinesis = [](const auto& exchange) { exchange->answer(http::json(200, "{}")); },
                 .clock = clock,
                 .telemetry = telemetry(),
                 .options = options_});
  }

  lake::Tools tools() { return {disk, *engine, clock, random, telemetry()}; }
  base::Telemetry telemetry() { return {lines, metrics}; }

  /// Rows of `select` as hot rows of a table.
  void add_hot(const std::string& table, const std::string& select) {
    auto rows = connection->query(select).value();
    const auto& columns = board.table(table)->snapshot()->metadata->schema;
    auto generation = std::make_shared<flow::Generation>(columns);
    while (auto chunk = rows.next().value()) generation->add(std::move(*chunk));
    board.add_generation(table, generation);
    board.publish();
  }

  std::shared_ptr<TestSink> send(http::Request request) {
    const auto question = request.target.find('?');
    request.path = request.target.substr(0, question);
    if (question != std::string::npos) {
      request.query = http::parse_query(request.target.substr(question + 1)).value();
    }
    auto sink = std::make_shared<TestSink>();
    api->router().handle(std::make_shared<http::Exchange>(std::move(request), sink));
    return sink;
  }
  http::Response get(const std::string& target) { return send({.target = target})->wait(); }
  http::Response post(const std::string& target, const std::string& body,
                      const std::string& type = "application/json") {
    return send({.method = "POST",
                 .target = target,
                 .headers = {{"Content-Type", type}},
                 .body = body})
        ->wait();
  }
  /// Asks `sql`, which must hold no quotes or backslashes.
  std::shared_ptr<TestSink> start(const std::string& sql, const std::string& more = "",
                                  const http::Headers& headers = {}) {
    http::Request request{.method = "POST", .target = "/v1/query", .headers = headers};
    request.headers.add("Content-Type", "application/json");
    request.body = R"({"sql":")" + sql + "\"" + more + "}";
    return send(std::move(request));
  }
  http::Response ask(const std::string& sql, const std::string& more = "") {
    return start(sql, more)->wait();
  }

  /// All records of a shard, oldest first.
  std::vector<std::string> records(const std::string& stream, std::int64_t shard) {
    std::vector<std::string> found;
    const auto batch =
        streams[stream]->read(base::ShardId(shard), base::Offset(0), 64 << 20).value();
    for (const auto& record : batch.records) found.emplace_back(record.bytes);
    return found;
  }

  os::TestFolder folder;
  os::RealDisk disk;
  ShiftedClock clock;
  base::Random random{7};
  base::EventLog lines = base::EventLog::silent();
  base::Metrics metrics;
  config::Pipeline pipeline;
  std::map<std::string, std::unique_ptr<log::Stream>> streams;
  std::unique_ptr<sql::Instance> engine;
  std::optional<sql::Connection> connection;
  std::unique_ptr<lake::Table> orders;
  std::unique_ptr<lake::Table> rejects;
  flow::CutBoard board;
  std::unique_ptr<flow::QueryEngine> queries;
  TestStream stream_half;
  std::unique_ptr<batch::Jobs> jobs;
  std::unique_ptr<batch::StreamProofs> proofs;
  std::unique_ptr<batch::Maintenance> maintenance;
  std::vector<flow::TableStatus> table_status;
  std::vector<flow::ReplayRequest> replayed;
  std::vector<LookupStatus> lookups;
  std::vector<std::string> unready;
  std::unique_ptr<Api> api;

 private:
  void open_tables() {
    const lake::Schema schema{{"order_id", sql::Type(DUCKDB_TYPE_VARCHAR)},
                              {"customer_id", sql::Type(DUCKDB_TYPE_VARCHAR)},
                              {"amount", sql::Type::decimal(12, 2)},
                              {"day", sql::Type(DUCKDB_TYPE_DATE)}};
    orders = std::move(lake::Table::open_or_create(folder.path() / "tables" / "checked_orders",
                                                   schema, {"day"}, tools()))
                 .value();
    rejects = std::move(lake::Table::open_or_create(folder.path() / "tables" / "_rejects",
                                                    flow::reject_columns(), {"day"}, tools()))
                  .value();
    board.add_table("checked_orders", *orders);
    board.add_table("_rejects", *rejects);
    board.publish();
  }

  ApiOptions options_;
};

}  // namespace millrace::serve
