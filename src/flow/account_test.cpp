#include "flow/account.hpp"

#include <gmock/gmock.h>

#include "flow/test_account.hpp"
#include "lake/retention.hpp"
#include "lake/rewrite.hpp"

namespace millrace::flow {
namespace {

using testing::HasSubstr;

const char* const kFates = "0 0-5: 5 2 2 2 0 1 0, 1 0-3: 3 2 2 1 0 0 0";

TEST(Account, CountsWhatBecameOfEachRecordAndHolds) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  EXPECT_EQ(bench.counts("checked"), kFates);
  // Of its two records from shard 0 and 1 the chained table has one and rejects one.
  EXPECT_EQ(bench.counts("frauds"), "0 0-5: 2 1 1 0 0 1 0, 1 0-3: 2 0 0 1 0 1 0");
  EXPECT_EQ(bench.unaccounted(), "");
  // However little of it is read at once.
  for (const std::size_t rows : {1U, 2U, 3U, 1000U}) {
    EXPECT_TRUE(bench.account("checked", rows).holds()) << rows;
    EXPECT_EQ(bench.account("checked", rows).shards[0].rows, 2) << rows;
    EXPECT_EQ(bench.account("checked", rows).shards[0].rejected, 2) << rows;
    EXPECT_TRUE(bench.account("frauds", rows).holds()) << rows;
  }
}

TEST(Account, GoesOnOverRestartsAndSmallMicroBatches) {
  AccountBench bench;
  bench.source.limit_records(1);
  put_all_fates(bench.source);
  bench.take_in();
  bench.restart();
  put_all_fates(bench.source);
  bench.take_in();
  bench.restart();
  EXPECT_EQ(bench.unaccounted(), "");
  const auto counts = bench.account("checked").shards[0].life.counts.value();
  EXPECT_EQ(counts.until, 10);
  EXPECT_EQ(counts.records, 10);
  EXPECT_EQ(counts.rows, 2);
  EXPECT_EQ(counts.rejected, 6);
  EXPECT_EQ(counts.filtered, 2);
}

TEST(Account, IsTheSameAfterCompactionAndACleanedLog) {
  AccountBench bench;
  for (int i = 0; i < 6; ++i) {
    bench.source.put(0, order(fmt::format("id{}", i), "1"));
    bench.source.put(1, "{broken");
    bench.take_in();
  }
  const auto counts = bench.counts("checked");
  ASSERT_EQ(lake::compact(bench.table("checked")).value().files_before, 6U);
  EXPECT_EQ(bench.unaccounted(), "");
  bench.crash();
  {
    auto engine = sql::Instance::open({.threads = 1}).value();
    base::FixedClock later(bench.clock.now() + 24h * 40);
    const base::Telemetry telemetry{bench.log, bench.metrics};
    const lake::Tools other{bench.disk, *engine, later, bench.random, telemetry};
    const auto root = bench.folder.path() / "tables" / "checked";
    auto table = lake::Table::open(root, other).value();
    const auto rejects = lake::Table::open(root.parent_path() / kRejectsTable, other).value();
    const auto followed = followed_version(*rejects->snapshot(), "shop", "checked");
    ASSERT_GE(followed.value(), 6);
    ASSERT_TRUE(table->maintain(followed, lake::Table::When::Now));
    // What is cleaned: commits before a checkpoint that is old.
    base::FixedClock much_later(later.now() + 24h * 40);
    const lake::Tools last{bench.disk, *engine, much_later, bench.random, telemetry};
    table = lake::Table::open(root, last).value();
    const lake::Transaction nothing{.operation = "NOTHING"};
    ASSERT_TRUE(table->commit(nothing));
    ASSERT_TRUE(table->maintain(followed, lake::Table::When::Now));
    EXPECT_FALSE(table->commits_after(base::TableVersion(0)));
  }
  ASSERT_TRUE(bench.begin());
  EXPECT_EQ(bench.unaccounted(), "");
  EXPECT_EQ(bench.counts("checked"), counts);
}

constexpr std::string_view kLines = R"y(
pipeline: shop
sources:
  orders:
    from: log
    shards: 2
    schema: {id: varchar, amount: bigint, items: "varchar[]"}
tables:
  lines:
    from: orders
    unique: {key: id, within: 24h}
    sql: SELECT id, amount, unnest(items) AS item FROM orders WHERE amount <> 7
  cheap:
    from: lines
    expect: {not_z: {check: item <> 'z', otherwise: reject}}
    sql: SELECT id, item FROM lines WHERE item <> 'y'
)y";

std::string lines(const std::string& id, const std::string& items, int amount = 1) {
  return fmt::format(R"({{"id":"{}","amount":{},"items":[{}]}})", id, amount, items);
}

TEST(Account, HoldsForSeveralRowsARecord) {
  AccountBench bench(kLines);
  bench.source.put(0, lines("one", R"("a","b","c")"));
  bench.source.put(0, lines("none", ""));
  bench.source.put(0, lines("left out", R"("e")", 7));
  bench.source.put(0, lines("one", R"("d","e")"));         // a duplicate
  bench.source.put(0, lines("partly", R"("x","y","z")"));  // below: one kept, one out, one rejected
  bench.source.put(0, lines("gone", R"("y","y")"));
  bench.take_in();
  EXPECT_EQ(bench.unaccounted(), "");
  EXPECT_THAT(bench.counts("lines"), HasSubstr("0 0-6: 6 3 8 1 0 2 0"));
  EXPECT_THAT(bench.counts("cheap"), HasSubstr("0 0-6: 3 2 4 1 1 1 0"));
}

TEST(Account, HoldsForReplaysOfATableAndOfOneThatReadsAnother) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  bench.crash();
  for (auto& table : bench.pipeline.tables) table.expectations.clear();  // the fix
  ASSERT_TRUE(bench.begin());
  const auto started = bench.worker->replay({.has_duplicates = true});
  ASSERT_TRUE(started) << started.error().text();
  ASSERT_EQ(started->records, 4);
  const auto is_done = [&] {
    bench.take_in();
    return bench.ask("SELECT count(*) FROM _rejects WHERE replay IS NOT NULL") == "4";
  };
  for (int i = 0; i < 500 && !is_done(); ++i) std::this_thread::sleep_for(10ms);
  bench.take_in();  // what was seen last may have come behind the commit
  EXPECT_EQ(bench.unaccounted(), "");
  EXPECT_THAT(bench.counts("checked"), HasSubstr("-1 0-3: 3 1 1 2 0 0 0"));
  EXPECT_THAT(bench.counts("frauds"), HasSubstr("-2 0-1: 1 1 1 0 0 0 0"));
  // An outcome that is lost is missed.
  lake::Transaction change;
  for (const auto& [path, file] : bench.table(kRejectsTable).snapshot()->files) {
    auto connection = bench.engine->connect().value();
    const auto replayed = connection.scalar(
        fmt::format("SELECT count(replay) FROM read_parquet('{}')",
                    (bench.table(kRejectsTable).root() / lake::uri_decoded(path)).string()));
    if (*replayed.value() == "0") continue;
    change.removes.push_back({.path = path, .partition_values = file->partition_values});
  }
  bench.commit(kRejectsTable, change);
  EXPECT_THAT(bench.text("checked"), HasSubstr("replay 1 of orders: commits rejected 2 records, "
                                               "and `_rejects` has 0"));
}

// As an older version wrote it, before and after this one.
TEST(Account, BeginsWhereTheCountsBegin) {
  AccountBench bench;
  const std::string id = "millrace/shop/checked/orders/one/0";
  for (int i = 0; i < 3; ++i) bench.source.put(0, order(fmt::format("old{}", i), "1"));
  bench.crash();
  {
    auto engine = sql::Instance::open({.threads = 1}).value();
    auto tools = bench.tools();
    const lake::Tools other{tools.disk, *engine, tools.clock, tools.random, tools.telemetry};
    auto table = lake::Table::open(bench.folder.path() / "tables" / "checked", other).value();
    lake::Transaction change{.operation = "STREAMING UPDATE"};
    change.positions = {{id, std::nullopt, 2}};
    ASSERT_TRUE(table->commit(change));
  }
  ASSERT_TRUE(bench.begin());
  const auto before = bench.account("checked");
  EXPECT_TRUE(before.holds());
  ASSERT_EQ(before.shards.size(), 1U);
  EXPECT_FALSE(before.shards[0].life.counts);
  bench.take_in();
  EXPECT_EQ(bench.counts("checked"), "0 2-3: 1 1 1 0 0 0 0");
  EXPECT_EQ(bench.unaccounted(), "");
  lake::Transaction change{.operation = "STREAMING UPDATE"};
  change.positions = {{id, 3, 4}};
  bench.commit("checked", change);
  EXPECT_THAT(bench.text("checked"),
              HasSubstr("the position is 4, but records are counted up to 3"));
  bench.restart();
  for (int i = 0; i < 2; ++i) bench.source.put(0, order(fmt::format("new{}", i), "1"));
  bench.take_in();
  EXPECT_EQ(bench.counts("checked"), "0 4-5: 1 1 1 0 0 0 0");
  EXPECT_EQ(bench.unaccounted(), "");
}

// Rows do not say of which life they are: lives are proven together where they overlap.
TEST(Account, HoldsForSeveralLivesOfASource) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  bench.crash();
  bench.source.become("two");
  ASSERT_TRUE(bench.begin(UnknownSource::Accept));
  bench.take_in();  // the same records once more, all of them duplicates
  bench.source.put(0, order("e", "1"));
  bench.source.put(1, order("f", "1"));
  bench.take_in();
  EXPECT_EQ(bench.unaccounted(), "");
  EXPECT_EQ(bench.account("checked").shards.size(), 4U);
  auto connection = bench.engine->connect().value();
  auto& table = bench.table("checked");
  const auto again = fmt::format("(SELECT * FROM ({}) WHERE _shard = 1 AND _offset = 3)",
                                 lake::scan_sql(table.root(), *table.snapshot()));
  bench.commit("checked", {.adds = lake::write_data_files(connection, table, again).value()});
  EXPECT_THAT(bench.text("checked"), HasSubstr("1 row is there more than once, the first at offset "
                                               "3, row 0"));
}

lake::Removed remove_before(AccountBench& bench, const std::string& name, const std::string& day) {
  auto& table = bench.table(name);
  auto connection = bench.engine->connect().value();
  return lake::remove_old_rows(
             table, {.horizon = base::parse_time(day + "T00:00:00Z").value(),
                     .end_of = [](const lake::AddFile& file) -> std::optional<base::Time> {
                       const auto& value = *file.partition_values.at("day");
                       return base::parse_time(value + "T00:00:00Z").value() + 24h;
                     },
                     .moved =
                         [&](const lake::Snapshot& snapshot, const auto& files) {
                           return removed_rows(table, name, snapshot, files, connection);
                         }})
      .value();
}

TEST(Account, DoesNotMissRowsThatWereRemovedBecauseTheyWereOld) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  EXPECT_EQ(remove_before(bench, "checked", "2026-11-20").rows, 1);
  EXPECT_EQ(bench.counts("checked"), "0 0-5: 5 2 2 2 0 1 1, 1 0-3: 3 2 2 1 0 0 0");
  EXPECT_EQ(bench.unaccounted(), "");
  bench.restart();
  bench.source.put(0, order("late", "1", "2026-11-19"));
  bench.source.put(0, order("now", "1"));
  bench.take_in();
  EXPECT_EQ(remove_before(bench, "checked", "2026-11-20").rows, 1);
  EXPECT_EQ(remove_before(bench, "checked", "2026-11-21").rows, 4);
  EXPECT_EQ(bench.counts("checked"), "0 0-7: 7 4 4 2 0 1 4, 1 0-3: 3 2 2 1 0 0 2");
  EXPECT_EQ(bench.unaccounted(), "");
  // A row more or less shows all the same.
  bench.set("checked", "0/count.removed", 3);
  EXPECT_THAT(bench.text("checked"), HasSubstr("1 row is missing: commits brought 4 rows, 3 were "
                                               "removed because they were old, and 0 are there"));
}

}  // namespace
}  // namespace millrace::flow
