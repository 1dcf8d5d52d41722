#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/data_file.hpp"
#include "lake/rewrite.hpp"
#include "lake/table.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Schema kFirst{{"day", sql::Type(DUCKDB_TYPE_DATE)}, {"id", sql::Type(DUCKDB_TYPE_BIGINT)}};
const Schema kWider{{"day", sql::Type(DUCKDB_TYPE_DATE)},
                    {"note", sql::Type(DUCKDB_TYPE_VARCHAR)},
                    {"id", sql::Type(DUCKDB_TYPE_BIGINT)}};

class Columns : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Table>> open(const Schema& schema,
                                            const TableOptions& options = {}) {
    const Tools tools{disk, *engine, clock, random, {log, metrics}};
    return Table::open_or_create(folder.path() / "t", schema, {"day"}, tools, options);
  }
  void add(Table& table, const std::string& columns) {
    const auto files =
        write_data_files(*connection, table, "(SELECT DATE '2026-11-20' AS day, " + columns + ")");
    ASSERT_TRUE(table.commit({.adds = files.value()}));
  }
  std::vector<std::string> rows(const Table& table) {
    auto found = connection->query(
        fmt::format("SELECT concat_ws(' ', id, coalesce(note, '-')) FROM ({}) ORDER BY id",
                    scan_sql(table.root(), *table.snapshot())));
    std::vector<std::string> texts;
    if (!found) return {found.error().text()};
    while (auto chunk = found->next().value()) {
      for (std::size_t i = 0; i < chunk->row_count(); ++i) {
        texts.emplace_back(chunk->column(0).text(i));
      }
    }
    return texts;
  }

  os::TestFolder folder;
  os::RealDisk disk;
  base::FixedClock clock{base::parse_time("2026-11-23T08:00:00Z").value()};
  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  std::unique_ptr<sql::Instance> engine = std::move(sql::Instance::open({.threads = 2})).value();
  std::optional<sql::Connection> connection{engine->connect().value()};
};

TEST_F(Columns, AddedOnesAreNullInOldRows) {
  auto narrow = open(kFirst).value();
  add(*narrow, "1::BIGINT AS id");
  const auto id = narrow->snapshot()->metadata->id;
  auto table = open(kWider).value();
  EXPECT_EQ(table->snapshot()->version.value(), 2);
  EXPECT_EQ(table->history(1).value()[0].operation, kAddColumns);
  EXPECT_EQ(table->snapshot()->metadata->id, id);
  EXPECT_THAT(rows(*table), ElementsAre("1 -"));
  add(*table, "2::BIGINT AS id, 'new' AS note");
  EXPECT_THAT(rows(*table), ElementsAre("1 -", "2 new"));
}

TEST_F(Columns, AreAddedOnceAndKeptByACheckpoint) {
  add(*open(kFirst).value(), "1::BIGINT AS id");
  ASSERT_TRUE(open(kWider));
  auto table = open(kWider, {.checkpoint_commits = 1}).value();
  EXPECT_EQ(table->snapshot()->version.value(), 2);
  ASSERT_TRUE(table->checkpoint());
  add(*table, "2::BIGINT AS id, 'new' AS note");
  EXPECT_THAT(rows(*open(kWider).value()), ElementsAre("1 -", "2 new"));
}

// A writer of before the change goes on with its own columns.
TEST_F(Columns, AreMissingInWhatAnOldWriterStillBrings) {
  auto narrow = open(kFirst).value();
  auto table = open(kWider).value();
  add(*table, "1::BIGINT AS id, 'new' AS note");
  add(*narrow, "2::BIGINT AS id");
  ASSERT_TRUE(table->refresh());
  EXPECT_THAT(rows(*table), ElementsAre("1 new", "2 -"));
}

TEST_F(Columns, CompactionWritesThemIntoAllFiles) {
  auto narrow = open(kFirst).value();
  for (int i = 1; i <= 4; ++i) add(*narrow, fmt::format("{}::BIGINT AS id", i));
  auto table = open(kWider).value();
  add(*table, "5::BIGINT AS id, 'new' AS note");
  ASSERT_EQ(compact(*table).value().files_after, 1U);
  EXPECT_THAT(rows(*table), ElementsAre("1 -", "2 -", "3 -", "4 -", "5 new"));
  const auto& file = *table->snapshot()->files.begin()->second;
  EXPECT_FALSE(scan_file("", file, added_columns(*table->snapshot()->metadata)).may_lack_columns);
}

TEST_F(Columns, AddedByTwoAtOnceAreAddedOnce) {
  auto one = open(kFirst).value();
  auto other = open(kFirst).value();
  ASSERT_TRUE(open(kWider));
  // `other` still stands at the version before.
  const Transaction late{.metadata = *other->snapshot()->metadata,
                         .read_version = other->snapshot()->version};
  const auto outcome = other->commit(late).value();
  ASSERT_TRUE(std::holds_alternative<Conflict>(outcome));
  EXPECT_EQ(std::get<Conflict>(outcome).what, Conflict::What::Metadata);
  EXPECT_EQ(open(kWider).value()->snapshot()->version.value(), 1);
}

TEST_F(Columns, MayBeReordered) {
  ASSERT_TRUE(open(kWider));
  auto table = open({kWider[0], kWider[2], kWider[1]}).value();
  EXPECT_EQ(table->snapshot()->metadata->schema[1].name, "id");
  add(*table, "1::BIGINT AS id, 'a' AS note");
  EXPECT_THAT(rows(*table), ElementsAre("1 a"));
}

TEST_F(Columns, GoneOrOfAnotherTypeAreRefusedWithTheMend) {
  ASSERT_TRUE(open(kWider));
  const auto refused = open({kWider[0], {"id", sql::Type(DUCKDB_TYPE_VARCHAR)}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("column 'note' VARCHAR is gone"));
  EXPECT_THAT(refused.error().text(), HasSubstr("CAST(NULL AS VARCHAR) AS \"note\""));
  EXPECT_THAT(refused.error().text(), HasSubstr("column 'id' was BIGINT and is VARCHAR now"));
}

// Of the files that have a column, of those that lack it, and of both together.
TEST_F(Columns, AreNotReadToCountRows) {
  const Schema schema{{"id", sql::Type(DUCKDB_TYPE_VARCHAR)}, {"n", sql::Type(DUCKDB_TYPE_BIGINT)}};
  const Tools tools{disk, *engine, clock, random, {log, metrics}};
  auto table = Table::open_or_create(folder.path() / "counted", {schema.front()}, {}, tools);
  const auto add = [&](const std::string& rows) {
    ASSERT_TRUE((*table)->commit({.adds = write_data_files(*connection, **table, rows).value()}));
  };
  add("(SELECT 'a' || i AS id FROM range(900) t(i))");
  table = Table::open_or_create(folder.path() / "counted", schema, {}, tools);
  const auto plan = [&] {
    const auto scan = scan_sql((*table)->root(), *(*table)->snapshot());
    auto rows = connection->query("EXPLAIN SELECT count(*) FROM (" + scan + ")").value();
    return std::string(rows.next().value()->column(1).text(0));
  };
  EXPECT_EQ(plan().find(" id "), std::string::npos) << plan();
  add("(SELECT 'b' || i AS id, i AS n FROM range(900) t(i))");
  EXPECT_EQ(plan().find(" id "), std::string::npos) << plan();
}

// To COPY both zeros are one entry of a dictionary, and it looks for one of them where the other
// was written.
TEST_F(Columns, ZerosOfBothSignsAreKeptAndFound) {
  const auto list = sql::Type::list(sql::Type(DUCKDB_TYPE_DOUBLE));
  for (const bool is_flat : {true, false}) {
    const Schema schema = is_flat ? Schema{{"day", sql::Type(DUCKDB_TYPE_DATE)},
                                           {"x", sql::Type(DUCKDB_TYPE_DOUBLE)},
                                           {"y", sql::Type(DUCKDB_TYPE_FLOAT)}}
                                  : Schema{{"day", sql::Type(DUCKDB_TYPE_DATE)}, {"l", list}};
    const Tools tools{disk, *engine, clock, random, {log, metrics}};
    auto table =
        Table::open_or_create(folder.path() / (is_flat ? "flat" : "nested"), schema, {"day"}, tools)
            .value();
    const std::string value = "CAST(['-0.0', '0.0', '1.5'][1 + CAST(i % 3 AS INTEGER)] AS DOUBLE)";
    const auto columns =
        is_flat ? value + " AS x, CAST(" + value + " AS FLOAT) AS y" : "[" + value + "] AS l";
    const auto files =
        write_data_files(*connection, *table,
                         "(SELECT DATE '2026-11-20' AS day, " + columns + " FROM range(900) t(i))");
    ASSERT_TRUE(table->commit({.adds = files.value()}));
    const auto count = [&](const std::string& condition) {
      return connection
          ->scalar("SELECT count(*) FROM (" + scan_sql(table->root(), *table->snapshot()) +
                   ") WHERE " + condition)
          .value()
          .value();
    };
    const std::vector<std::string> names =
        is_flat ? std::vector<std::string>{"x", "y"} : std::vector<std::string>{"l[1]"};
    for (const auto& name : names) {
      EXPECT_EQ(count(name + " = 0"), "600");
      EXPECT_EQ(count(name + " = CAST('-0.0' AS FLOAT)"), "600");
      EXPECT_EQ(count("signbit(" + name + ")"), "300");
      EXPECT_EQ(count(name + " = 1.5"), "300");
    }
  }
}

}  // namespace
}  // namespace millrace::lake
