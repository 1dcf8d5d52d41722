#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <set>

#include "config/read.hpp"
#include "flow/account.hpp"
#include "flow/query.hpp"
#include "flow/worker.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "sql/render.hpp"

namespace millrace::flow {

/// Records in memory, as a log would give them: they outlive the worker.
class MemorySource final : public source::Source {
 public:
  explicit MemorySource(int shards)
      : shards_(static_cast<std::size_t>(shards)), parents_(shards_.size()) {}

  /// Closes `parents`; a new shard takes their keys.
  void reshard(std::vector<base::ShardId> parents) {
    std::lock_guard lock(mutex_);
    shards_.emplace_back();
    parents_.push_back(std::move(parents));
    changed_.notify_all();
  }

  void put(int shard, std::string bytes) {
    std::lock_guard lock(mutex_);
    shards_[static_cast<std::size_t>(shard)].push_back(
        std::make_shared<const std::string>(std::move(bytes)));
    changed_.notify_all();
  }
  void limit_records(std::size_t records) { records_max_ = records; }
  /// While held, what is there cannot be read.
  void hold(bool is_held) {
    std::lock_guard lock(mutex_);
    is_held_ = is_held;
    changed_.notify_all();
  }
  /// From now on it counts its records anew in each life: a position above 0 means nothing without
  /// the mark that was given for it.
  void count_records() { is_counting_ = true; }
  void begin_life() {
    std::lock_guard lock(mutex_);
    known_.clear();
  }
  /// From now on what was released is gone at once.
  void forget_released() { forgets_ = true; }
  void become(std::string incarnation) { incarnation_ = std::move(incarnation); }

  const std::string& incarnation() const override { return incarnation_; }
  base::Offset oldest(base::ShardId shard) const override {
    std::lock_guard lock(mutex_);
    return oldest_of(shard);
  }
  int shard_count() const override {
    std::lock_guard lock(mutex_);
    return static_cast<int>(shards_.size());
  }
  bool is_closed(base::ShardId shard) const override {
    std::lock_guard lock(mutex_);
    return std::ranges::any_of(
        parents_, [&](const auto& each) { return std::ranges::count(each, shard) > 0; });
  }
  std::vector<base::ShardId> parents(base::ShardId shard) const override {
    std::lock_guard lock(mutex_);
    return parents_[static_cast<std::size_t>(shard.value())];
  }
  base::Offset end(base::ShardId shard) const override {
    std::lock_guard lock(mutex_);
    return base::Offset(static_cast<std::int64_t>(at(shard).size()));
  }
  std::optional<source::Mark> mark(base::ShardId shard, base::Offset position) const override {
    if (!is_counting_ || position == base::Offset(0)) return std::nullopt;
    const auto number = position.value();
    // Words that get smaller, too.
    return source::Mark{INT64_MAX, 1000 - number % 7, number * 10 + shard.value(), number % 3};
  }
  void remember(base::ShardId shard, base::Offset position, const source::Mark& known) override {
    EXPECT_EQ(mark(shard, position), known);
    std::lock_guard lock(mutex_);
    known_.insert({shard, position});
  }
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t) override {
    std::lock_guard lock(mutex_);
    if (is_counting_ && from > base::Offset(0) && !known_.contains({shard, from})) {
      return base::Error{base::Code::Corrupt, "a position without its mark"};
    }
    if (from < oldest_of(shard)) return base::Error{base::Code::Exhausted, "no longer retained"};
    base::RecordBatch batch{shard, {}, from, {}};
    if (is_held_) return batch;
    const auto& records = at(shard);
    auto owner = std::make_shared<std::vector<std::shared_ptr<const std::string>>>();
    for (auto i = static_cast<std::size_t>(from.value());
         i < records.size() && batch.records.size() < records_max_; ++i) {
      batch.records.push_back({batch.next, received_at, key, *records[i], headers});
      owner->push_back(records[i]);
      batch.next = batch.next.next();
    }
    batch.owner = owner;
    known_.insert({shard, batch.next});
    return batch;
  }
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, stop, timeout, [&] {
      const std::size_t count = std::min(positions.size(), shards_.size());
      for (std::size_t i = 0; i < count && !is_held_; ++i) {
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
  std::string key;                    // of all records
  std::vector<base::Header> headers;  // the same
  std::vector<base::Offset> released;

 private:
  const std::vector<std::shared_ptr<const std::string>>& at(base::ShardId shard) const {
    return shards_[static_cast<std::size_t>(shard.value())];
  }
  base::Offset oldest_of(base::ShardId shard) const {
    if (!forgets_ || released.empty()) return base::Offset(0);
    return released[static_cast<std::size_t>(shard.value())];
  }
  bool forgets_ = false;
  bool is_counting_ = false;
  std::set<std::pair<base::ShardId, base::Offset>> known_;  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string incarnation_ = "one";
  bool is_held_ = false;  // Guarded by mutex_.
  std::size_t records_max_ = 100000;
  std::vector<std::vector<std::shared_ptr<const std::string>>> shards_;
  std::vector<std::vector<base::ShardId>> parents_;
};

inline constexpr std::string_view kPipeline = R"y(
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

inline std::string order(const std::string& id, const std::string& amount,
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
    source.begin_life();
    board = std::make_unique<CutBoard>();
    auto opened = Worker::open({.pipeline = pipeline,
                                .sources = {{"orders", &source}},
                                .lookups = {},
                                .tools = tools(),
                                .board = *board,
                                .folder = folder.path(),
                                .options = {.loop = loop, .unknown_source = unknown}});
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
    const auto caught_up = worker->catch_up(std::chrono::seconds(10));
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
  /// What is committed, compared with what commits counted; read in small pieces.
  TableAccount account(const std::string& table, std::size_t rows_max = 8) {
    auto connection = engine->connect().value();
    const auto& config = *pipeline.table(table);
    auto taken = take_account({.pipeline = pipeline,
                               .table = config,
                               .rows = *board->table(table),
                               .rejects = *board->table(kRejectsTable),
                               .parent = config.from_is_table ? board->table(config.from) : nullptr,
                               .connection = connection,
                               .rows_max = rows_max});
    if (!taken) return {.shards = {}, .findings = {taken.error().text()}};
    return std::move(*taken);
  }
  /// What of all tables does not agree; empty: all does.
  std::string unaccounted() {
    std::string text;
    for (const auto& table : pipeline.tables) text += account(table.name).text();
    return text;
  }
  lake::Tools tools() {
    return {other_disk ? *other_disk : disk, *engine, clock, random, {log, metrics}};
  }

  os::TestFolder folder;
  os::RealDisk disk;
  os::Disk* other_disk = nullptr;  // in its place
  base::SystemClock clock;
  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  MemorySource source{2};
  config::Pipeline pipeline;
  SourceLoopOptions loop;
  std::unique_ptr<sql::Instance> engine;
  std::unique_ptr<CutBoard> board;
  std::unique_ptr<Worker> worker;
  std::unique_ptr<QueryEngine> queries;
  std::mutex mutex;
  std::string fatal;
};

}  // namespace millrace::flow
