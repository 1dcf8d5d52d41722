#include "flow/worker.hpp"

#include <gtest/gtest.h>

#include <condition_variable>

#include "config/read.hpp"
#include "flow/query.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "sql/render.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

/// Records in memory, as a log would give them: they outlive the worker.
class MemorySource final : public source::Source {
 public:
  explicit MemorySource(int shards) : shards_(static_cast<std::size_t>(shards)) {}

  void put(int shard, std::string bytes) {
    std::lock_guard lock(mutex_);
    shards_[static_cast<std::size_t>(shard)].push_back(
        std::make_shared<const std::string>(std::move(bytes)));
    changed_.notify_all();
  }
  void limit_records(std::size_t records) { records_max_ = records; }
  void become(std::string incarnation) { incarnation_ = std::move(incarnation); }

  const std::string& incarnation() const override { return incarnation_; }
  int shard_count() const override { return static_cast<int>(shards_.size()); }
  base::Offset oldest(base::ShardId) const override { return base::Offset(0); }
  base::Offset end(base::ShardId shard) const override {
    std::lock_guard lock(mutex_);
    return base::Offset(static_cast<std::int64_t>(at(shard).size()));
  }
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t) override {
    std::lock_guard lock(mutex_);
    base::RecordBatch batch{shard, {}, from, {}};
    const auto& records = at(shard);
    auto owner = std::make_shared<std::vector<std::shared_ptr<const std::string>>>();
    for (auto i = static_cast<std::size_t>(from.value());
         i < records.size() && batch.records.size() < records_max_; ++i) {
      batch.records.push_back({batch.next, received_at, {}, *records[i]});
      owner->push_back(records[i]);
      batch.next = batch.next.next();
    }
    batch.owner = owner;
    return batch;
  }
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, stop, timeout, [&] {
      for (std::size_t i = 0; i < shards_.size(); ++i) {
        if (positions[i].value() < static_cast<std::int64_t>(shards_[i].size())) return true;
      }
      return false;
    });
  }
  base::Result<void> release(std::span<const base::Offset> positions) override {
    std::lock_guard lock(mutex_);
    released.assign(positions.begin(), positions.end());
    return {};
  }

  base::Time received_at = base::parse_time("2026-11-20T12:00:00Z").value();
  std::vector<base::Offset> released;

 private:
  const std::vector<std::shared_ptr<const std::string>>& at(base::ShardId shard) const {
    return shards_[static_cast<std::size_t>(shard.value())];
  }
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string incarnation_ = "one";
  std::size_t records_max_ = 100000;
  std::vector<std::vector<std::shared_ptr<const std::string>>> shards_;
};

constexpr std::string_view kPipeline = R"y(
pipeline: shop
sources:
  orders:
    from: log
    shards: 2
    format: json
    schema: {id: varchar, amount: "decimal(12,2)",
                           ts : timestamptz, items : "varchar[]"
}
    event_time: {column: ts, lateness: 10m}
tables:
  checked:
    from: orders
    unique: {key: id, within: 24h}
    expect:
      has_id: {check: id IS NOT NULL, otherwise: reject}
      is_small: {check: amount < 5000, otherwise: warn}
    sql: SELECT *, amount > 1000 AS is_fraud, CAST(ts AS DATE) AS day FROM orders WHERE amount <> 7
    partition_by: [day]
  frauds:
    from: checked
    expect:
      not_99: {check: amount <> 9999, otherwise: reject}
    sql: SELECT id, amount FROM checked WHERE is_fraud
)y";

std::string order(const std::string& id, const std::string& amount,
                  const std::string& day = "2026-11-20") {
  return R"({"id":")" + id + R"(","amount":)" + amount + R"(,"ts":")" + day + R"(T10:00:00Z"})";
}

/// One life of a worker over a folder and a source that live longer.
class WorkerBench {
 public:
  explicit WorkerBench(std::string_view text = kPipeline) {
    auto read = config::parse_pipeline(text, folder.path() / "shop.yaml");
    if (auto* problems = std::get_if<config::Problems>(&read)) {
      for (const auto& error : problems->errors) ADD_FAILURE() << error.text();
    }
    pipeline = std::get<config::Pipeline>(std::move(read));
  }
  ~WorkerBench() { crash(); }

  base::Result<void> begin(UnknownSource unknown = UnknownSource::Stop) {
    engine = std::move(sql::Instance::open({.threads = 2})).value();
    board = std::make_unique<CutBoard>();
    auto opened = Worker::open({.pipeline = pipeline,
                                .sources = {{"orders", &source}},
                                .lookups = {},
                                .tools = tools(),
                                .board = *board,
                                .folder = folder.path(),
                                .options = {.unknown_source = unknown}});
    if (!opened) return opened.error();
    worker = std::move(opened).value();
    queries = std::move(QueryEngine::open({.readable = {folder.path()}}, *board)).value();
    worker->start([this](const base::Error& error) {
      std::lock_guard lock(mutex);
      fatal = error.text();
    });
    return {};
  }
  // Ends without a commit, as a kill would.
  void crash() {
    queries.reset();
    worker.reset();
    board.reset();
    engine.reset();
  }
  void restart() {
    crash();
    ASSERT_TRUE(begin());
  }
  std::string ask(const std::string& sql) {
    const auto caught_up = worker->catch_up(10s);
    if (!caught_up) return caught_up.error().text();
    return ask_now(sql);
  }
  std::string ask_now(const std::string& sql) {
    auto query = queries->start(sql);
    if (!query) return query.error().text();
    std::string text;
    for (;;) {
      auto chunk = (*query)->next();
      if (!chunk) return chunk.error().text();
      if (!*chunk) return text;
      for (std::size_t row = 0; row < (*chunk)->row_count(); ++row) {
        if (!text.empty()) text += " | ";
        for (std::size_t i = 0; i < (*chunk)->column_count(); ++i) {
          if (i > 0) text += ' ';
          text += sql::Renderer((*query)->columns()[i].type).text((*chunk)->column(i), row);
        }
      }
    }
  }
  lake::Tools tools() { return {disk, *engine, clock, random, {log, metrics}}; }

  os::TestFolder folder;
  os::RealDisk disk;
  base::SystemClock clock;
  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  MemorySource source{2};
  config::Pipeline pipeline;
  std::unique_ptr<sql::Instance> engine;
  std::unique_ptr<CutBoard> board;
  std::unique_ptr<Worker> worker;
  std::unique_ptr<QueryEngine> queries;
  std::mutex mutex;
  std::string fatal;
};

TEST(Worker, ShowsRowsBeforeTheyAreCommitted) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "12.50"));
  bench.source.put(1, order("b", "1000.01"));
  EXPECT_EQ(bench.ask("SELECT id, amount, is_fraud, day FROM checked ORDER BY id"),
            "a 12.50 false 2026-11-20 | b 1000.01 true 2026-11-20");
  EXPECT_EQ(bench.ask("SELECT id FROM frauds"), "b");
  EXPECT_EQ(bench.board->cut()->tables.at("checked").snapshot->version, base::TableVersion(0));
}

TEST(Worker, CountsEachRowOnceBeforeDuringAndAfterACommit) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  for (int i = 0; i < 100; ++i) bench.source.put(i % 2, order("o" + std::to_string(i), "5"));
  EXPECT_EQ(bench.ask("SELECT count(*) FROM checked"), "100");
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(bench.ask("SELECT count(*) FROM checked"), "100");
  EXPECT_TRUE(bench.board->cut()->tables.at("checked").hot[0]->empty());
  bench.source.put(0, order("more", "5"));
  EXPECT_EQ(bench.ask("SELECT count(*), count(DISTINCT id) FROM checked"), "101 101");
}

TEST(Worker, ReadsAgainAfterACrashWhatWasNotCommitted) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "1"));
  bench.source.put(1, order("b", "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(bench.source.released, (std::vector{base::Offset(1), base::Offset(1)}));
  bench.source.put(0, order("c", "3000"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  bench.restart();
  EXPECT_EQ(bench.ask("SELECT id, _shard, _offset, _row FROM checked ORDER BY id"),
            "a 0 0 0 | b 1 0 0 | c 0 1 0");
  EXPECT_EQ(bench.ask("SELECT id FROM frauds ORDER BY id"), "b | c");
}

TEST(Worker, RejectsWithReasonStagePositionAndBytesAndGoesOn) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, R"({"id": )");
  bench.source.put(0, R"({"amount": 3, "ts": "2026-11-20T10:00:00Z"})");
  bench.source.put(0, order("a", "1"));
  bench.source.put(1, order("a", "2"));  // on another shard: which wins is open, the count is not
  bench.source.put(0, order("x", "7"));  // filtered
  EXPECT_EQ(bench.ask("SELECT count(*) FROM checked"), "1");
  const std::string rejects =
      "SELECT stage, reason, _offset, CASE WHEN reason = 'duplicate' THEN '' ELSE decode(raw) "
      "END "
      "FROM _rejects ORDER BY stage, reason";
  const std::string expected =
      R"(decode malformed 0 {"id":  | expect has_id 1 {"amount": 3, "ts": "2026-11-20T10:00:00Z"})";
  EXPECT_EQ(bench.ask(rejects).substr(0, expected.size()), expected);
  EXPECT_EQ(bench.ask("SELECT count(*) FROM _rejects"), "3");
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(bench.ask("SELECT count(*) FROM _rejects"), "3");
  bench.restart();
  EXPECT_EQ(bench.ask("SELECT count(*) FROM _rejects"), "3");
}

TEST(Worker, RollsRejectsForwardThatACrashLeftBehind) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, "{broken");
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  // As if the power had gone between the table's commit and the rejects' commit.
  std::filesystem::remove(bench.folder.path() / "tables/_rejects/_delta_log" /
                          "00000000000000000001.json");
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT reason, decode(raw) FROM _rejects"), "malformed {broken");
}

TEST(Worker, RemembersKeysOverARestart) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "1"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.restart();
  bench.source.put(1, order("a", "2"));
  EXPECT_EQ(bench.ask("SELECT id, amount FROM checked"), "a 1.00");
  EXPECT_EQ(bench.ask("SELECT reason FROM _rejects"), "duplicate");
}

TEST(Worker, FindsAVeryLateDuplicateInTheTableItself) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "1", "2026-11-10"));
  bench.source.put(0, order("b", "1", "2026-11-20"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.source.put(0, order("a", "2", "2026-11-10"));
  bench.source.put(0, order("a", "3", "2026-11-15"));  // outside of the window
  EXPECT_EQ(bench.ask("SELECT amount FROM checked WHERE id = 'a' ORDER BY 1"), "1.00 | 3.00");
}

TEST(Worker, FillsTheGapOfAChildFromItsParentsCommittedRows) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  for (int i = 0; i < 10; ++i) bench.source.put(i % 2, order("o" + std::to_string(i), "2000"));
  bench.source.put(0, order("bad", "9999"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  // The child's commit is lost, the parent's stands.
  std::filesystem::remove_all(bench.folder.path() / "tables/frauds");
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT count(*), count(DISTINCT (_shard, _offset)) FROM frauds"), "10 10");
  EXPECT_EQ(bench.ask("SELECT count(*) FROM checked"), "11");
}

TEST(Worker, GivesOneAnswerHoweverTheStreamIsCut) {
  const auto run = [](std::size_t records) {
    WorkerBench bench;
    bench.source.limit_records(records);
    for (int i = 0; i < 60; ++i) {
      bench.source.put(0, order("o" + std::to_string(i % 40), std::to_string(i * 30)));
      if (i % 7 == 0) bench.source.put(0, "broken " + std::to_string(i));
    }
    EXPECT_TRUE(bench.begin());
    return bench.ask("SELECT * EXCLUDE (_received_at) FROM checked ORDER BY ALL") +
           bench.ask("SELECT _offset, reason FROM _rejects ORDER BY ALL") +
           bench.ask("SELECT * FROM frauds ORDER BY ALL");
  };
  const auto whole = run(100000);
  EXPECT_GT(whole.size(), 1000U);
  EXPECT_EQ(run(1), whole);
  EXPECT_EQ(run(13), whole);
}

TEST(Worker, StopsWhenAnotherWriterMovedTheTableOn) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "1"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  {
    auto other = lake::Table::open(bench.folder.path() / "tables/checked", bench.tools()).value();
    auto committed =
        other->commit({.positions = {{"millrace/shop/checked/orders/one/0", std::nullopt, 1}}});
    ASSERT_TRUE(committed && std::holds_alternative<lake::Committed>(*committed));
  }
  EXPECT_FALSE(bench.worker->commit_now());
  for (int i = 0; i < 500; ++i) {
    std::this_thread::sleep_for(10ms);
    std::lock_guard lock(bench.mutex);
    if (!bench.fatal.empty()) break;
  }
  std::lock_guard lock(bench.mutex);
  EXPECT_NE(bench.fatal.find("another process writes to this table"), std::string::npos)
      << bench.fatal;
}

TEST(Worker, RefusesAnotherLifeOfItsSourceUntilToldToAccept) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "1"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  bench.source.become("two");
  const auto refused = bench.begin();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("--accept-new-source"), std::string::npos);
  bench.crash();
  ASSERT_TRUE(bench.begin(UnknownSource::Accept));
  EXPECT_EQ(bench.ask("SELECT count(*) FROM checked"), "1");  // `a` again is a duplicate
  EXPECT_EQ(bench.ask("SELECT reason FROM _rejects"), "duplicate");
}

TEST(Worker, ReplaysRejectsOnceThroughTheTableThatRejectedThem) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(1, R"({"amount": 2000, "ts": "2026-11-20T10:00:00Z"})");
  bench.source.put(1, "{never");
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  bench.pipeline.tables[0].expectations.clear();  // the fix
  ASSERT_TRUE(bench.begin());
  const auto started = bench.worker->replay({});
  ASSERT_TRUE(started) << started.error().text();
  EXPECT_EQ(started->records, 2);
  const auto wait_for = [&](const std::string& sql, const std::string& expected) {
    std::string got;
    for (int i = 0; i < 500; ++i) {
      got = bench.ask(sql);
      if (got == expected) break;
      std::this_thread::sleep_for(10ms);
    }
    return got;
  };
  const std::string outcomes =
      "SELECT _shard, _offset, stage, reason, outcome FROM _rejects WHERE replay = '1' "
      "ORDER BY _offset";
  const std::string expected = "1 0 expect has_id accepted | 1 1 decode malformed rejected";
  EXPECT_EQ(wait_for(outcomes, expected), expected);
  EXPECT_EQ(bench.ask("SELECT amount, _shard FROM checked"), "2000.00 -1");
  EXPECT_EQ(bench.ask("SELECT amount FROM frauds"), "2000.00");
  ASSERT_TRUE(bench.worker->commit_now());
  bench.restart();
  EXPECT_EQ(bench.ask("SELECT count(*) FROM checked"), "1");
  EXPECT_EQ(bench.ask("SELECT count(*) FROM _rejects WHERE replay IS NOT NULL"), "2");
  const auto again = bench.worker->replay({});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->records, 1);  // what was accepted is no reject any more
}

TEST(Worker, HaltsOneTableAndItsChildrenAtARecordAndKeepsItForTheRestart) {
  WorkerBench bench(R"y(
pipeline: shop
sources:
  orders: {from: log, shards: 2, format: json, schema: {id: varchar, amount: bigint}}
tables:
  strict:
    from: orders
    expect: {not_13: {check: amount <> 13, otherwise: halt}}
    sql: SELECT * FROM orders
  below: {from: strict, sql: SELECT id FROM strict}
  lenient: {from: orders, sql: SELECT * FROM orders}
)y");
  ASSERT_TRUE(bench.begin());
  for (const auto* amount : {"1", "13", "3"}) {
    bench.source.put(0, std::string(R"({"id":"x","amount":)") + amount + "}");
  }
  EXPECT_EQ(bench.ask("SELECT count(*) FROM lenient"), "3");
  EXPECT_EQ(bench.ask("SELECT amount FROM strict"), "1");
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(bench.source.released[0], base::Offset(1));  // the record is kept for the restart
  bench.crash();
  bench.pipeline.tables[0].expectations.clear();
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT count(*) FROM strict"), "3");
  EXPECT_EQ(bench.ask("SELECT count(*) FROM below"), "3");
  EXPECT_EQ(bench.ask("SELECT count(*) FROM lenient"), "3");
}

TEST(Worker, NumbersTheRowsOfARecordThatGivesSeveral) {
  WorkerBench bench(R"y(
pipeline: shop
sources:
  orders: {from: log, shards: 2, format: json, schema: {id: varchar, items: "varchar[]"}}
tables:
  items: {from: orders, sql: "SELECT id, unnest(items) AS item FROM orders"}
)y");
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, R"({"id":"a","items":["x","y"]})");
  bench.source.put(0, R"({"id":"b","items":["z"]})");
  EXPECT_EQ(bench.ask("SELECT id, item, _offset, _row FROM items ORDER BY _offset, _row"),
            "a x 0 0 | a y 0 1 | b z 1 0");
}

TEST(Worker, RejectsTheOneRowThatMakesTheSqlFail) {
  WorkerBench bench(R"y(
pipeline: shop
sources:
  orders: {from: log, shards: 2, format: json, schema: {id: varchar, n: varchar}}
tables:
  numbers: {from: orders, sql: "SELECT id, CAST(n AS BIGINT) AS n FROM orders"}
)y");
  for (int i = 0; i < 50; ++i) {
    bench.source.put(0, R"({"id":"a","n":")" + (i == 33 ? "thirty" : std::to_string(i)) + "\"}");
  }
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT count(*), sum(n) FROM numbers"), "49 1192");
  EXPECT_EQ(bench.ask("SELECT stage, reason, _offset FROM _rejects"), "sql sql_failed 33");
}

TEST(Query, AllowsOneSelectOverTablesOnly) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT 1 + 1"), "2");
  for (const auto* sql : {"DROP TABLE x", "SELECT 1; SELECT 2", "COPY checked TO '/tmp/x'",
                          "ATTACH '/tmp/x'", "SET threads = 1", "SELECT * FROM hot('1/checked')",
                          "SELECT * FROM read_text('/etc/passwd')", "INSTALL httpfs"}) {
    EXPECT_FALSE(bench.queries->start(sql)) << sql;
  }
  const auto missing = bench.queries->start("SELECT * FROM checkd");
  ASSERT_FALSE(missing);
}

TEST(Query, SeesOneCutHoweverTheTablesMove) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  for (int i = 0; i < 3000; ++i) bench.source.put(0, order("o" + std::to_string(i), "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  auto query = bench.queries->start("SELECT id FROM checked");
  ASSERT_TRUE(query);
  ASSERT_TRUE(bench.worker->commit_now());
  bench.source.put(0, order("late", "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  std::size_t rows = 0;
  for (;;) {
    auto chunk = (*query)->next();
    ASSERT_TRUE(chunk) << chunk.error().text();
    if (!*chunk) break;
    rows += (*chunk)->row_count();
  }
  EXPECT_EQ(rows, 3000U);
  // Parent and child are always from one moment.
  std::jthread producer([&](const std::stop_token& stop) {
    for (int i = 0; i < 2000 && !stop.stop_requested(); ++i) {
      bench.source.put(i % 2, order("p" + std::to_string(i), "3000"));
      if (i % 500 == 0) (void)bench.worker->commit_now().has_value();
    }
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(
        bench.ask_now("SELECT (SELECT count(*) FROM checked) - (SELECT count(*) FROM frauds)"),
        "0");
  }
}

}  // namespace
}  // namespace millrace::flow
