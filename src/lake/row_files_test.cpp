#include "lake/row_files.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/data_file.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Rows of two days and of none, in turns.
constexpr const char* kRows = R"((
  SELECT CASE WHEN i % 5 < 4 THEN DATE '2026-11-20' + (i % 2)::INTEGER END AS day,
    CASE WHEN i % 3 > 0 THEN ['x/y', ''][i % 3] END AS place,
    i AS id, i % 2 = 0 AS flag, (i % 100)::TINYINT AS tiny, (i * 0.01)::DECIMAL(12, 2) AS amount,
    (i * 0.01)::DECIMAL(30, 2) AS large, i / 8 AS number,
    CASE WHEN i % 3 = 0 THEN 'nan'::DOUBLE ELSE i END AS nan, (i / 4)::FLOAT AS single,
    TIMESTAMPTZ '2026-11-20 10:00:00.0001+00' + INTERVAL (i) MILLISECOND AS at,
    'a text that is longer than thirty-two letters ' || i AS text, 'é' || i % 7 AS word,
    encode('b' || i) AS bytes, CASE WHEN i % 4 > 0 THEN {'x': i, 'y': {'z': 'w' || i}} END AS part,
    [i, NULL] AS list, NULL::INTEGER AS nothing
  FROM range(5000) r(i)))";

class RowFiles : public testing::Test {
 protected:
  void open(const std::vector<std::string>& partition_columns, const std::string& select = kRows) {
    auto result = connection.query("SELECT * FROM " + select).value();
    columns = result.columns();
    while (auto chunk = result.next().value()) {
      chunks.push_back(std::make_shared<const sql::Chunk>(std::move(*chunk)));
    }
    const Tools tools{disk, *engine, clock, random, {log, metrics}};
    table = Table::open_or_create(folder.path() / "t", columns, partition_columns, tools).value();
  }
  std::string count(const std::string& select) {
    auto result = connection.query(fmt::format("SELECT count(*) FROM ({})", select)).value();
    return std::to_string(result.next().value()->column(0).data<std::int64_t>()[0]);
  }
  static std::vector<std::string> described(const std::vector<AddFile>& files) {
    std::vector<std::string> texts;
    for (const auto& file : files) {
      std::string text;
      for (const auto& [name, value] : file.partition_values) {
        text += fmt::format("{}={} ", name, value.value_or("NULL"));
      }
      texts.push_back(text + file.stats);
    }
    std::ranges::sort(texts);
    return texts;
  }

  // The first difference is enough to read.
  static void expect_equal(const std::vector<std::string>& ours,
                           const std::vector<std::string>& theirs) {
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]);
  }

  os::TestFolder folder;
  os::RealDisk disk;
  base::FixedClock clock{base::parse_time("2026-11-23T08:00:00Z").value()};
  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  std::unique_ptr<sql::Instance> engine = std::move(sql::Instance::open({.threads = 1})).value();
  sql::Connection connection = engine->connect().value();
  std::vector<sql::Column> columns;
  std::vector<std::shared_ptr<const sql::Chunk>> chunks;
  std::unique_ptr<Table> table;
};

// DuckDB's own way with the same rows is the judge of partitions and statistics.
TEST_F(RowFiles, AreThoseThatDuckDbWouldWrite) {
  for (const auto& by : std::vector<std::vector<std::string>>{
           {}, {"day"}, {"day", "place"}, {"flag"}, {"tiny", "at"}}) {
    chunks.clear();
    table.reset();
    ASSERT_TRUE(os::remove_all(disk, folder.path() / "t"));
    const bool has_many = by.size() > 1 && by[1] == "at";
    const std::string rows = has_many ? fmt::format("(SELECT * FROM {} LIMIT 50)", kRows) : kRows;
    open(by, rows);
    const auto ours = write_rows(*table, {columns, chunks}).value();
    const auto theirs = write_data_files(connection, *table, rows).value();
    expect_equal(described(ours), described(theirs));
    ASSERT_TRUE(table->commit({.adds = ours}));
    // NULL and the empty text are one partition.
    const auto made = fmt::format("(SELECT * REPLACE (nullif(place, '') AS place) FROM {})", rows);
    const auto found = fmt::format("(SELECT * REPLACE (nullif(place, '') AS place) FROM ({}))",
                                   scan_sql(table->root(), *table->snapshot()));
    EXPECT_EQ(count(fmt::format("{} EXCEPT ALL {}", found, made)), "0");
    EXPECT_EQ(count(fmt::format("{} EXCEPT ALL {}", made, found)), "0");
  }
}

TEST_F(RowFiles, AreNoneWithoutRows) {
  open({"day"}, "(SELECT DATE '2026-11-20' AS day, 1 AS id WHERE false)");
  EXPECT_THAT(write_rows(*table, {columns, {}}).value(), testing::IsEmpty());
}

TEST_F(RowFiles, HaveNullInColumnsThatTheTableGotMeanwhile) {
  open({"day"}, "(SELECT DATE '2026-11-20' AS day, 1 AS id)");
  auto wider = columns;
  wider.push_back({"note", sql::Type(DUCKDB_TYPE_VARCHAR)});
  const Tools tools{disk, *engine, clock, random, {log, metrics}};
  table = Table::open_or_create(folder.path() / "t", wider, {"day"}, tools).value();
  const auto files = write_rows(*table, {columns, chunks}).value();
  ASSERT_TRUE(table->commit({.adds = files}));
  EXPECT_EQ(count(fmt::format("SELECT * FROM ({}) WHERE note IS NULL AND id = 1",
                              scan_sql(table->root(), *table->snapshot()))),
            "1");
  EXPECT_THAT(files[0].stats, HasSubstr(R"("nullCount":{"id":0,"note":1})"));
}

TEST_F(RowFiles, OfAnotherTypeAreRefused) {
  open({}, "(SELECT 1 AS id)");
  const std::vector<sql::Column> others{{"id", sql::Type(DUCKDB_TYPE_VARCHAR)}};
  const auto refused = write_rows(*table, {others, chunks});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::Invalid);
  EXPECT_THAT(refused.error().text(),
              HasSubstr("column 'id' is VARCHAR and the table's is INTEGER"));
}

}  // namespace
}  // namespace millrace::lake
