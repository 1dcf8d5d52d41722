#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "flow/test_worker.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

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

// Partitions may be chosen by the time: it stands still from then on.
TEST(Query, KnowsOneTime) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  auto query = bench.queries->prepare("SELECT epoch_us(now()) AS t", {}).value();
  const auto prepared_at = base::SystemClock().now().time_since_epoch().count();
  std::this_thread::sleep_for(2ms);
  ASSERT_TRUE(query->execute());
  EXPECT_LE((*query->next().value()).column(0).data<std::int64_t>()[0], prepared_at);
}

void commit_two_days(WorkerBench& bench) {
  ASSERT_TRUE(bench.begin());
  bench.source.put(0, order("a", "20", "2026-11-20"));
  bench.source.put(0, order("b", "20", "2026-11-19"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  ASSERT_TRUE(bench.worker->commit_now());
}

// Files of other partitions are not so much as looked at: here they are gone.
TEST(Query, LeavesOutFilesOfOtherPartitions) {
  WorkerBench bench;
  commit_two_days(bench);
  for (int i = 0; i < 15; ++i) {
    bench.source.put(0, order("more " + std::to_string(i), "20", "2026-11-18"));
    ASSERT_TRUE(bench.worker->catch_up(10s));
    ASSERT_TRUE(bench.worker->commit_now());
  }
  bench.source.put(0, order("c", "20", "2026-11-20"));
  bench.source.put(0, order("d", "20", "2026-11-19"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  // What is wrong is told of the statement itself.
  const std::map<std::string, std::string> wrong{
      {"day = 'no day'", "invalid date field format"},
      {"CAST(CAST(day AS TEXT) AS INTEGER) = 3", "Could not convert"}};
  for (const auto& [condition, message] : wrong) {
    auto query = bench.queries->start("SELECT id FROM checked WHERE " + condition);
    const auto error = query ? (*query)->next().error() : query.error();
    EXPECT_NE(error.message.find(message), std::string::npos) << error.text();
  }
  std::filesystem::remove_all(bench.folder.path() / "tables" / "checked" / "day=2026-11-19");
  EXPECT_EQ(bench.ask_now("SELECT id FROM checked WHERE day = DATE '2026-11-20' ORDER BY id"),
            "a | c");
  EXPECT_EQ(bench.ask_now("SELECT count(*) FROM checked WHERE day > current_date + 1000"), "0");
  EXPECT_EQ(bench.ask_now("WITH d AS (SELECT * FROM checked WHERE day >= '2026-11-20') SELECT "
                          "string_agg(a.id || b.id, ',' ORDER BY a.id, b.id) FROM d a, d b"),
            "aa,ac,ca,cc");
  EXPECT_FALSE(bench.queries->start("SELECT id FROM checked WHERE day >= '2026-11-19'"));
}

// What stands between the two ends of a Parquet file and its description.
void spoil_columns(const std::filesystem::path& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(path));
  std::uint32_t description = 0;
  file.seekg(size - 8).read(reinterpret_cast<char*>(&description), sizeof description);
  file.seekp(4) << std::string(static_cast<std::size_t>(size - 8 - description - 4), 'x');
}

TEST(Query, ReadsNoColumnToCountRows) {
  WorkerBench bench;
  commit_two_days(bench);
  bench.source.put(0, order("c", "20", "2026-11-20"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  const auto tables = bench.folder.path() / "tables" / "checked";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tables)) {
    if (entry.path().extension() == ".parquet") spoil_columns(entry.path());
  }
  EXPECT_NE(bench.ask_now("SELECT max(id) FROM checked"), "c") << "the files are not spoiled";
  EXPECT_EQ(bench.ask_now("SELECT count(*) FROM checked"), "3");
  EXPECT_EQ(bench.ask_now("SELECT count(*) FROM checked WHERE day = '2026-11-20'"), "2");
  EXPECT_EQ(bench.ask_now("SELECT day, count(*) FROM checked GROUP BY day ORDER BY day"),
            "2026-11-19 1 | 2026-11-20 2");
}

TEST(Query, MarksASliceByTheRowsOfItsPartitions) {
  WorkerBench bench;
  ASSERT_TRUE(bench.begin());
  const auto mark = [&](const std::string& where) {
    auto connection = bench.queries->connect().value();
    const auto reads =
        reads_of(connection, "SELECT count(*) FROM checked WHERE " + where, *bench.board->cut());
    return bench.queries
        ->look(reads.value().slices.front(), {{"day", sql::Date{20'777}}}, bench.board->cut())
        .value()
        .mark;
  };
  const auto take = [&](const std::string& id, const std::string& day) {
    bench.source.put(0, order(id, "20", day));
    ASSERT_TRUE(bench.worker->catch_up(10s));
  };
  const auto nothing = mark("day = $day");
  EXPECT_EQ(mark("day < $day"), nothing);
  take("a", "2026-11-20");
  const auto hot = mark("day = $day");
  EXPECT_NE(hot, nothing);
  EXPECT_NE(mark("day < $day"), hot);
  take("b", "2026-11-19");
  EXPECT_EQ(mark("day = $day"), hot);
  take("c", "2026-11-20");
  const auto two = mark("day = $day");
  EXPECT_NE(two, hot);
  ASSERT_TRUE(bench.worker->commit_now());
  const auto committed = mark("day = $day");
  EXPECT_NE(committed, two);
  take("d", "2026-11-19");
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(mark("day = $day"), committed);
  const auto from_there = mark("day <= $day");
  take("e", "2026-11-19");
  EXPECT_NE(mark("day <= $day"), from_there);
}

}  // namespace
}  // namespace millrace::flow
