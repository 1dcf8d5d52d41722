// What a power cut at every call leaves of a worker's tables: docs/how_to/test_a_crash.md. The
// source forgets at once what was released, so that a position that went back could not be hidden.

#include <fmt/format.h>

#include "flow/committer.hpp"
#include "flow/reject.hpp"
#include "flow/test_worker.hpp"
#include "os/sim_disk.hpp"

namespace millrace::flow {
namespace {

using os::Survival;
using namespace std::chrono_literals;

constexpr int kRounds = 2;

// The records of one round: good ones of both shards, and one of every fate. Equal keys are on one
// shard, where their order is certain.
void put_round(MemorySource& source, int round) {
  const auto id = [&](const char* name) { return fmt::format("{}{}", name, round); };
  source.put(0, order(id("a"), "1", "2026-11-20"));
  source.put(0, order(id("fraud"), "2000", "2026-11-19"));
  source.put(1, order(id("b"), "3", "2026-11-20"));
  source.put(1, order(id("fine"), "9999", "2026-11-20"));  // the second table rejects it
  source.put(0, "{broken " + id("x"));
  source.put(1, R"({"amount": 3, "ts": "2026-11-20T10:00:00Z"})");  // no id
  source.put(0, order(id("filtered"), "7"));
  source.put(0, order(id("a"), "8", "2026-11-20"));  // in the same commit
  source.put(0, order(fmt::format("fraud{}", std::max(0, round - 1)), "2001", "2026-11-19"));
}

class WorkerCrash {
 public:
  WorkerCrash(Survival unsynced, std::uint64_t seed) {
    disk = os::SimDisk::open({.root = bench.folder.path(), .seed = seed, .unsynced = unsynced})
               .value();
    bench.other_disk = disk.get();
    bench.source.forget_released();
    for (auto& table : bench.pipeline.tables) table.commit.every = 1h;  // only when asked
  }

  // A life up to the power cut, or to its end. False: it was cut.
  bool live() {
    if (!bench.begin()) return false;
    while (round_ < kRounds) {
      put_round(bench.source, round_++);
      if (!bench.worker->catch_up(10s) || !bench.worker->commit_now()) return false;
      note_positions();
    }
    return true;
  }
  void put_the_rest() {
    while (round_ < kRounds) put_round(bench.source, round_++);
  }

  // Nothing that was promised went back: what a commit said, and what the source let go for it.
  void check_positions(const std::string& when) {
    for (const auto* table : {"checked", "frauds"}) {
      const auto snapshot = bench.board->cut()->tables.at(table).snapshot;
      for (int shard = 0; shard < 2; ++shard) {
        const auto id = fmt::format("millrace/shop/{}/orders/one/{}", table, shard);
        const auto stands = snapshot->transaction(id).value_or(0);
        EXPECT_GE(stands, said_[id]) << when << ": " << id;
        EXPECT_GE(stands, bench.source.oldest(base::ShardId(shard)).value()) << when << ": " << id;
      }
    }
  }
  // The fate of every record: all tables, each row with where it comes from.
  std::string fates() {
    return bench.ask(
               "SELECT _shard, _offset, _row, id, amount, is_fraud FROM checked ORDER BY ALL") +
           " / " + bench.ask("SELECT _shard, _offset, id, amount FROM frauds ORDER BY ALL") +
           " / " +
           bench.ask("SELECT _shard, _offset, \"table\", stage, reason FROM _rejects ORDER BY ALL");
  }
  // What the commits counted, all shards together.
  std::string counts() {
    std::string text;
    for (const auto& table : bench.pipeline.tables) {
      ShardCounts all;
      for (const auto& shard : bench.account(table.name).shards) all.add(*shard.life.counts);
      text += fmt::format("{}: {} {} {} {} {} {} ", table.name, all.records, all.taken, all.rows,
                          all.rejected, all.partly, all.filtered);
    }
    return text;
  }
  std::string fatal() {
    std::lock_guard lock(bench.mutex);
    return bench.fatal;
  }

  WorkerBench bench;
  std::unique_ptr<os::SimDisk> disk;

 private:
  void note_positions() {
    for (const auto& table : bench.worker->status()) {
      for (const auto& position : table.positions) {
        said_[position.app_id] = std::max(said_[position.app_id], position.committed.value_or(0));
      }
    }
  }

  int round_ = 0;
  std::map<std::string, std::int64_t> said_;
};

class WorkerCrashTest : public testing::TestWithParam<Survival> {};

TEST_P(WorkerCrashTest, EveryRecordIsOnceInATableOrInTheRejectsAfterACutAtAnyCall) {
  std::uint64_t calls = 0;
  std::string expected, counts;
  {
    WorkerCrash uncut(Survival::Nothing, 1);
    ASSERT_TRUE(uncut.live());
    counts = uncut.counts();
    calls = uncut.disk->calls();
    expected = uncut.fates();
    EXPECT_EQ(uncut.bench.ask("SELECT (SELECT count(*) FROM checked), (SELECT count(*) FROM "
                              "frauds), (SELECT count(*) FROM _rejects)"),
              "8 2 10");
    EXPECT_EQ(counts, "checked: 18 8 8 8 0 2 frauds: 8 2 2 2 0 4 ");
    ASSERT_GT(calls, 60U);
  }
  // Where chance decides what survives, not every call needs its own throw.
  const std::uint64_t step = GetParam() == Survival::Nothing ? 1 : 3;
  for (std::uint64_t nth = 1; nth <= calls && !HasFailure(); nth += step) {
    const auto when = fmt::format("survival {} cut at {}", static_cast<int>(GetParam()), nth);
    WorkerCrash crash(GetParam(), nth);
    crash.disk->cut_at(nth);
    (void)crash.live();
    crash.bench.crash();
    ASSERT_TRUE(crash.disk->power_cycle());
    crash.bench.fatal.clear();
    crash.put_the_rest();
    const auto begun = crash.bench.begin();
    ASSERT_TRUE(begun) << when << ": " << begun.error().text();
    crash.check_positions(when);
    EXPECT_EQ(crash.bench.unaccounted(), "") << when;
    EXPECT_EQ(crash.fates(), expected) << when;
    const auto committed = crash.bench.worker->commit_now();
    ASSERT_TRUE(committed) << when << ": " << committed.error().text();
    EXPECT_EQ(crash.fates(), expected) << when << ", committed";
    EXPECT_EQ(crash.bench.unaccounted(), "") << when << ", committed";
    EXPECT_EQ(crash.counts(), counts) << when;
    EXPECT_EQ(crash.fatal(), "") << when;
  }
}

INSTANTIATE_TEST_SUITE_P(EachSurvival, WorkerCrashTest,
                         testing::Values(Survival::Nothing, Survival::Random));

/// A table whose old commits go as soon as they may, and the rejects that follow it.
class CommitterCrash {
 public:
  explicit CommitterCrash(std::uint64_t seed) {
    disk = os::SimDisk::open({.root = folder_.path(), .seed = seed, .unsynced = Survival::Nothing})
               .value();
  }

  // A life up to the power cut, or to its end: each commit has a row and a reject.
  base::Result<void> live() {
    committer_.reset();
    engine_ = TRY(sql::Instance::open({.threads = 1}));
    board_ = std::make_unique<CutBoard>();
    const lake::Tools tools{*disk, *engine_, clock_, random_, {log_, metrics_}};
    const auto tables = folder_.path() / "tables";
    table_ =
        TRY(lake::Table::open_or_create(tables / "t", {{"n", sql::Type(DUCKDB_TYPE_BIGINT)}}, {},
                                        tools, {.checkpoint_commits = 1, .log_retention = 0h}));
    rejects_ = TRY(RejectsTable::open(tables, "shop", tools, *board_));
    TRY(rejects_->roll_forward("t", *table_));
    committer_ = std::make_unique<Committer>(tools, *board_, *rejects_);
    while (const auto job = TRY(next_job())) TRY(committer_->run(*job));
    return {};
  }
  // `n` of the rows and `_offset` of the rejects, as the tables have them.
  std::string contents() {
    auto connection = engine_->connect().value();
    const auto all = [&](const char* column, const lake::Table& table) {
      return *connection
                  .scalar(fmt::format("SELECT coalesce(string_agg({0}, ' ' ORDER BY {0}), '') FROM "
                                      "({1})",
                                      column, lake::scan_sql(table.root(), *table.snapshot())))
                  .value();
    };
    return all("n", *table_) + " / " + all("_offset", rejects_->table());
  }
  bool has_first_commit() const {
    return disk->stat(table_->root() / "_delta_log" / "00000000000000000001.json")
        .value()
        .has_value();
  }

  std::unique_ptr<os::SimDisk> disk;

 private:
  // None: all is done.
  base::Result<std::unique_ptr<CommitJob>> next_job() {
    const auto stands = table_->snapshot()->transaction("app");
    const auto n = stands.value_or(0);
    if (n == 3) return std::unique_ptr<CommitJob>();
    clock_.advance(24h);  // the log is looked through once a day
    auto job = std::make_unique<CommitJob>();
    job->name = "t";
    job->table = table_.get();
    auto& sealed = job->sealed;
    sealed.positions = {{"app", stands, n + 1}};
    sealed.rows = std::make_shared<Generation>(table_->snapshot()->metadata->schema);
    auto connection = TRY(engine_->connect());
    auto rows = TRY(connection.query(fmt::format("SELECT CAST({} AS BIGINT) AS n", n)));
    sealed.rows->add(std::move(*TRY(rows.next())));
    sealed.rejects = std::make_shared<Generation>(reject_columns());
    const Reject reject{.stage = Stage::Decode,
                        .reason = "malformed",
                        .detail = {},
                        .shard = base::ShardId(0),
                        .record = {base::Offset(n), clock_.now(), {}, "{"}};
    const RejectedBy by{
        .table = "t", .source = "orders", .incarnation = "one", .rejected_at = clock_.now()};
    for (auto& chunk : chunks_of({reject}, by)) sealed.rejects->add(std::move(chunk));
    return job;
  }

  os::TestFolder folder_;
  base::FixedClock clock_{base::SystemClock().now() + 24h * 10};
  base::Random random_{7};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::unique_ptr<sql::Instance> engine_;
  std::unique_ptr<CutBoard> board_;
  std::unique_ptr<lake::Table> table_;
  std::unique_ptr<RejectsTable> rejects_;
  std::unique_ptr<Committer> committer_;
};

TEST(CommitterCrash, CommitsWhoseRejectsWereNotFollowedAreKeptAtAnyCut) {
  CommitterCrash uncut(1);
  ASSERT_TRUE(uncut.live());
  EXPECT_FALSE(uncut.has_first_commit()) << "old commits are dropped";
  EXPECT_EQ(uncut.contents(), "0 1 2 / 0 1 2");
  const auto calls = uncut.disk->calls();
  ASSERT_GT(calls, 60U);
  for (std::uint64_t nth = 1; nth <= calls && !testing::Test::HasFailure(); ++nth) {
    CommitterCrash crash(nth);
    crash.disk->cut_at(nth);
    (void)crash.live().has_value();
    ASSERT_TRUE(crash.disk->power_cycle());
    const auto lived = crash.live();
    ASSERT_TRUE(lived) << "cut at " << nth << ": " << lived.error().text();
    EXPECT_EQ(crash.contents(), "0 1 2 / 0 1 2") << "cut at " << nth;
  }
}

}  // namespace
}  // namespace millrace::flow
