#include "flow/marks.hpp"

#include <fmt/format.h>

#include "flow/test_worker.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kTwoTables = R"y(
pipeline: shop
sources:
  orders:
    from: log
    shards: 2
    format: json
    schema: {id: varchar}
tables:
  often:
    from: orders
    sql: SELECT * FROM orders
    commit: {every: 100ms}
  seldom:
    from: orders
    sql: SELECT * FROM orders
    commit: {every: 1h}
)y";

std::string id(int n) {
  return fmt::format(R"({{"id":"o{}"}})", n);
}

class Marks : public testing::Test {
 protected:
  Marks() : bench_(kTwoTables) {
    bench_.source.count_records();
    bench_.source.limit_records(3);
  }
  void put(int count) {
    for (int i = 0; i < count; ++i, ++put_) bench_.source.put(put_ % 2, id(put_));
  }
  std::int64_t version(const std::string& table) {
    return bench_.board->cut()->tables.at(table).snapshot->version.value();
  }
  void await_commit(const std::string& table, std::int64_t version_before) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (version(table) == version_before && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(5ms);
    }
    ASSERT_GT(version(table), version_before);
  }
  void expect_each_once() {
    const auto expected = fmt::format("{0} {0}", put_);
    for (const auto* table : {"often", "seldom"}) {
      EXPECT_EQ(bench_.ask(fmt::format("SELECT count(*), count(DISTINCT id) FROM {}", table)),
                expected)
          << table;
    }
    std::lock_guard lock(bench_.mutex);
    EXPECT_EQ(bench_.fatal, "");
  }

  WorkerBench bench_;
  int put_ = 0;
};

TEST_F(Marks, GoWithEachTablesOwnPositionsOverKillsBetweenTheirCommits) {
  ASSERT_TRUE(bench_.begin());
  for (int round = 0; round < 4; ++round) {
    const auto before = version("often");
    put(20);
    expect_each_once();
    await_commit("often", before);  // the other one has not
    if (round == 2) {
      ASSERT_TRUE(bench_.worker->commit_now());
    }
    bench_.restart();
    expect_each_once();
  }
  ASSERT_TRUE(bench_.worker->commit_now());
  bench_.restart();
  expect_each_once();
}

TEST_F(Marks, AreInTheCommitOfTheirPosition) {
  ASSERT_TRUE(bench_.begin());
  put(4);
  expect_each_once();
  ASSERT_TRUE(bench_.worker->commit_now());
  const auto snapshot = bench_.board->cut()->tables.at("seldom").snapshot;
  const std::string app_id = "millrace/shop/seldom/orders/one/1";
  EXPECT_EQ(snapshot->transaction(app_id), 2);
  EXPECT_EQ(snapshot->transaction(app_id + "/mark.0"), INT64_MAX);
  EXPECT_EQ(snapshot->transaction(app_id + "/mark.1"), 998);
  EXPECT_EQ(snapshot->transaction(app_id + "/mark.2"), 21);
  EXPECT_EQ(snapshot->transaction(app_id + "/mark.3"), 2);
  EXPECT_FALSE(snapshot->transaction(app_id + "/mark.4"));
}

TEST_F(Marks, LetANewTableNoteWhereItBegins) {
  ASSERT_TRUE(bench_.begin());
  put(8);
  expect_each_once();
  ASSERT_TRUE(bench_.worker->commit_now());
  // A table that was not there before, of a source that cannot number what is older.
  bench_.crash();
  std::filesystem::remove_all(bench_.folder.path() / "tables/seldom");
  bench_.source.forget_released();
  ASSERT_TRUE(bench_.begin());
  put(2);
  EXPECT_EQ(bench_.ask("SELECT count(*) FROM seldom"), "2");
  const auto snapshot = bench_.board->cut()->tables.at("seldom").snapshot;
  EXPECT_EQ(snapshot->transaction("millrace/shop/seldom/orders/one/0"), 4);
  EXPECT_EQ(snapshot->transaction("millrace/shop/seldom/orders/one/0/mark.2"), 40);
}

}  // namespace
}  // namespace millrace::flow
