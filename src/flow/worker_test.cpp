#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "flow/test_worker.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

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

TEST(Worker, CommitsWhatWasThereWhenAskedAlsoIfMoreKeepsComing) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  std::atomic<bool> is_committed = false;
  std::jthread producer([&] {
    const auto end = std::chrono::steady_clock::now() + 20s;
    for (int i = 0; !is_committed && std::chrono::steady_clock::now() < end; ++i) {
      bench.source.put(i % 2, order("o" + std::to_string(i), "2000"));
      std::this_thread::sleep_for(200us);
    }
    EXPECT_TRUE(is_committed) << "the commit ended only when the records did";
  });
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  is_committed = true;
}

TEST(Worker, CommitsWhatTakesHalfOfItsMemory) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  for (int i = 0; i < 500; ++i) bench.source.put(i % 2, order("o" + std::to_string(i), "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  std::uint64_t bytes = 0;
  for (const auto& table : bench.worker->status()) bytes += table.hot_bytes;
  bench.crash();
  bench.loop.hot_bytes_max = bytes * 3 / 2;
  ASSERT_TRUE(bench.begin());
  const auto end = std::chrono::steady_clock::now() + 10s;
  const auto version = [&] { return bench.board->cut()->tables.at("frauds").snapshot->version; };
  while (version() < base::TableVersion(1) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(version(), base::TableVersion(1)) << "it waits for its interval";
  EXPECT_EQ(bench.ask("SELECT count(*) FROM frauds"), "500");
}

TEST(Worker, TakesInWhatWasAcknowledgedBeforeItCommits) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.hold(true);
  bench.source.put(0, order("a", "1"));
  const auto late = bench.worker->take_in(20ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, base::Code::Unavailable);
  EXPECT_NE(late.error().message.find("20ms"), std::string::npos) << late.error().message;
  bench.source.hold(false);
  ASSERT_TRUE(bench.worker->take_in(10s));
  EXPECT_EQ(bench.board->cut()->tables.at("checked").snapshot->version, base::TableVersion(1));
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

TEST(Worker, RemembersTheNewLifeOfItsSourceBeforeItsFirstCommit) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  bench.source.become("two");
  ASSERT_TRUE(bench.begin(UnknownSource::Accept));
  bench.crash();
  ASSERT_TRUE(bench.begin());
  bench.source.put(1, order("b", "3000"));
  EXPECT_EQ(bench.ask("SELECT id FROM frauds ORDER BY id"), "a | b");
  ASSERT_TRUE(bench.worker->commit_now());
  bench.restart();
  EXPECT_EQ(bench.ask("SELECT id FROM checked ORDER BY id"), "a | b");
  bench.crash();
  bench.source.become("one");  // known once, so not meant to be refused
  ASSERT_TRUE(bench.begin());
}

// Of equal keys the first one stays, also if its shard was closed and the second one is in a child.
TEST(Worker, ReadsAClosedShardToItsEndBeforeItsChildren) {
  WorkerBench bench;
  bench.source.limit_records(3);
  for (int i = 0; i < 50; ++i) bench.source.put(0, order("o" + std::to_string(i), "1"));
  bench.source.reshard({base::ShardId(0)});                    // 2, which stays empty
  bench.source.reshard({base::ShardId(2), base::ShardId(1)});  // 3
  for (int i = 0; i < 60; ++i) bench.source.put(3, order("o" + std::to_string(i), "2"));
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.ask("SELECT _shard, amount, count(*) FROM checked GROUP BY ALL ORDER BY ALL"),
            "0 1.00 50 | 3 2.00 10");
}

TEST(Worker, TakesUpShardsThatComeWhileItRunsAndGoesOnWithThemAfterARestart) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "1"));
  EXPECT_EQ(bench.ask("SELECT id FROM checked"), "a");
  bench.source.reshard({base::ShardId(0)});
  bench.source.put(2, order("a", "2"));
  bench.source.put(2, order("b", "2000"));
  EXPECT_EQ(bench.ask("SELECT id, _shard FROM checked ORDER BY id"), "a 0 | b 2");
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(bench.source.released,
            (std::vector{base::Offset(1), base::Offset(0), base::Offset(2)}));
  bench.source.put(2, order("c", "1"));
  bench.restart();
  EXPECT_EQ(bench.ask("SELECT id, _shard, _offset FROM checked ORDER BY id"),
            "a 0 0 | b 2 1 | c 2 2");
  EXPECT_EQ(bench.ask("SELECT id FROM frauds"), "b");
  const auto positions = bench.worker->status()[0].positions;
  ASSERT_EQ(positions.size(), 3U);
  EXPECT_EQ(positions[0].committed, 1) << "a shard that is finished keeps its position";
}

TEST(Worker, SaysThatItLagsUntilARecordIsVisible) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  for (int i = 1; i <= 100; ++i) {
    bench.source.put(i % 2, order("o" + std::to_string(i), "5"));
    while (bench.worker->status()[0].lag_records > 0) std::this_thread::sleep_for(100us);
    ASSERT_EQ(bench.ask_now("SELECT count(*) FROM checked"), std::to_string(i));
  }
  const auto status = bench.worker->status()[0];
  ASSERT_EQ(status.positions.size(), 2U);
  EXPECT_EQ(status.positions[1].next, 50);
  EXPECT_EQ(status.positions[1].app_id, "millrace/shop/checked/orders/one/1");
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

// Claims are dropped by the day; an old one must be found even where only the record that repeats
// it is recent enough to be remembered.
TEST(Worker, FindsALateDuplicateOfARecordThatIsForgottenAlready) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  const auto at = [](const std::string& id, const std::string& time) {
    return R"({"id":")" + id + R"(","amount":1,"ts":")" + time + R"("})";
  };
  bench.source.put(0, at("a", "2026-11-18T23:30:00Z"));
  bench.source.put(0, at("b", "2026-11-20T01:15:00Z"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.source.put(0, at("a", "2026-11-19T00:30:00Z"));
  EXPECT_EQ(bench.ask("SELECT ts FROM checked WHERE id = 'a'"), "2026-11-18T23:30:00.000000Z");
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

TEST(Worker, NeverCommitsAChildBeyondItsParent) {
  WorkerBench bench;
  bench.pipeline.tables[0].commit.every = 1h;
  bench.pipeline.tables[1].commit.every = 1ms;
  ASSERT_TRUE(bench.begin());
  const auto positions = [&](const char* table) {
    const auto snapshot = bench.board->cut()->tables.at(table).snapshot;
    const auto prefix = std::string("millrace/shop/") + table + "/orders/one/";
    return snapshot->transaction(prefix + "0").value_or(0) +
           snapshot->transaction(prefix + "1").value_or(0);
  };
  for (int i = 0; i < 200 && positions("frauds") < 100; ++i) {
    bench.source.put(i % 2, order("o" + std::to_string(i), "2000"));
    std::this_thread::sleep_for(2ms);
    const auto child = positions("frauds");  // first, as the parent only grows
    EXPECT_LE(child, positions("checked"));
  }
  EXPECT_GT(positions("frauds"), 0);
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

TEST(Worker, RefusesATableOfAnotherPipelineUntilToldToAccept) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "1"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  bench.pipeline.name = "store";
  const auto refused = bench.begin();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("`pipeline: shop`"), std::string::npos);
  bench.crash();
  ASSERT_TRUE(bench.begin(UnknownSource::Accept));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
  bench.crash();
  EXPECT_TRUE(bench.begin());
}

}  // namespace
}  // namespace millrace::flow
