#include "lake/table.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "lake/data_file.hpp"
#include "lake/retention.hpp"
#include "lake/rewrite.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lake {
namespace {

using namespace std::chrono_literals;

/// One folder, one engine, a clock of its own.
class LakeBench {
 public:
  LakeBench() {
    engine = std::move(sql::Instance::open({.threads = 2})).value();
    connection.emplace(engine->connect().value());
  }

  Tools tools() { return {disk, *engine, clock, random, {log, metrics}}; }
  std::unique_ptr<Table> table(const TableOptions& options = {}) {
    const Schema schema{{"day", sql::Type(DUCKDB_TYPE_DATE)},
                        {"id", sql::Type(DUCKDB_TYPE_BIGINT)},
                        {"name", sql::Type(DUCKDB_TYPE_VARCHAR)},
                        {"amount", sql::Type::decimal(12, 2)}};
    return std::move(Table::open_or_create(folder.path() / "t", schema, {"day"}, tools(), options))
        .value();
  }
  // `count` rows from `first` on, of one day.
  Transaction rows(Table& table, int first, int count, const std::string& day = "2026-11-20") {
    const auto relation =
        "(SELECT DATE '" + day +
        "' AS day, i AS id, 'n' || i AS name, (i / 100.0)::DECIMAL(12,2) AS amount "
        "FROM range(" +
        std::to_string(first) + ", " + std::to_string(first + count) + ") r(i))";
    return {.operation = "STREAMING UPDATE",
            .adds = write_data_files(*connection, table, relation).value()};
  }
  static Transaction at(Transaction change, std::optional<std::int64_t> expected,
                        std::int64_t next) {
    change.positions = {{"app", expected, next}};
    return change;
  }
  std::string count(const Table& table) {
    return *connection
                ->scalar("SELECT count(*) FROM (" + scan_sql(table.root(), *table.snapshot()) + ")")
                .value();
  }

  os::TestFolder folder;
  os::RealDisk disk;
  base::FixedClock clock{base::parse_time("2026-11-23T08:00:00Z").value()};
  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  std::unique_ptr<sql::Instance> engine;
  std::optional<sql::Connection> connection;
};

bool is_committed(const std::variant<Committed, Conflict>& outcome) {
  return std::holds_alternative<Committed>(outcome);
}

// Spark 3.5 gives wrong values of other encodings without an error; decision 3.
TEST(LakeTable, WritesWithEncodingsThatEveryReaderKnows) {
  LakeBench bench;
  auto table = bench.table();
  ASSERT_TRUE(is_committed(table->commit(bench.rows(*table, 0, 20'000)).value()));
  const auto files = (table->root() / "day=2026-11-20" / "*.parquet").string();
  const auto metadata = "parquet_metadata('" + files + "')";
  EXPECT_NE(*bench.connection->scalar("SELECT count(*) FROM " + metadata).value(), "0");
  EXPECT_EQ(*bench.connection
                 ->scalar("SELECT count(*) FROM " + metadata +
                          " WHERE regexp_matches(encodings, 'DELTA|BYTE_STREAM_SPLIT')")
                 .value(),
            "0");
}

TEST(LakeTable, KeepsRowsAndPositionsOverAReopen) {
  LakeBench bench;
  {
    auto table = bench.table();
    ASSERT_TRUE(is_committed(table->commit(bench.at(bench.rows(*table, 0, 10), {}, 10)).value()));
    ASSERT_TRUE(is_committed(
        table->commit(bench.at(bench.rows(*table, 10, 5, "2026-11-21"), 10, 15)).value()));
  }
  auto table = bench.table();
  EXPECT_EQ(table->snapshot()->version.value(), 2);
  EXPECT_EQ(table->snapshot()->transaction("app"), 15);
  EXPECT_EQ(table->snapshot()->record_count(), 15);
  EXPECT_EQ(bench.count(*table), "15");
}

TEST(LakeTable, RefusesACommitWhosePositionMovedMeanwhile) {
  LakeBench bench;
  auto table = bench.table();
  auto other = bench.table();
  ASSERT_TRUE(is_committed(other->commit(bench.at(bench.rows(*other, 0, 10), {}, 10)).value()));
  const auto outcome = table->commit(bench.at(bench.rows(*table, 0, 10), {}, 10)).value();
  ASSERT_FALSE(is_committed(outcome));
  EXPECT_EQ(std::get<Conflict>(outcome).what, Conflict::What::Position);
  EXPECT_EQ(bench.count(*table), "10");
}

TEST(LakeTable, ReplacingAPartitionLosesToAnAppendIntoIt) {
  LakeBench bench;
  auto table = bench.table();
  ASSERT_TRUE(is_committed(table->commit(bench.rows(*table, 0, 10)).value()));
  Transaction replace = bench.rows(*table, 100, 3);
  replace.read_version = table->snapshot()->version;
  replace.replaced_partitions = {{{"day", "2026-11-20"}}};
  ASSERT_TRUE(is_committed(table->commit(bench.rows(*table, 10, 1, "2026-11-21")).value()));
  EXPECT_TRUE(is_committed(table->commit(replace).value()));
  ASSERT_TRUE(is_committed(table->commit(bench.rows(*table, 11, 1)).value()));
  const auto outcome = table->commit(replace).value();
  ASSERT_FALSE(is_committed(outcome));
  EXPECT_EQ(std::get<Conflict>(outcome).what, Conflict::What::Partition);
}

TEST(LakeTable, RacingWritersLoseNoCommit) {
  LakeBench bench;
  auto first = bench.table();
  auto second = bench.table();
  const auto write = [&](Table& table, const std::string& app) {
    for (int i = 0; i < 20; ++i) {
      Transaction change;
      change.positions = {{app, i == 0 ? std::nullopt : std::optional<std::int64_t>(i), i + 1}};
      EXPECT_TRUE(is_committed(table.commit(change).value()));
    }
  };
  {
    std::jthread one([&] { write(*first, "a"); });
    std::jthread two([&] { write(*second, "b"); });
  }
  const auto snapshot = bench.table()->snapshot();
  EXPECT_EQ(snapshot->version.value(), 40);
  EXPECT_EQ(snapshot->transaction("a"), 20);
  EXPECT_EQ(snapshot->transaction("b"), 20);
}

TEST(LakeTable, OpensFromACheckpointAfterTheCommitsBeforeItAreGone) {
  LakeBench bench;
  auto table = bench.table({.checkpoint_commits = 5});
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(is_committed(
        table
            ->commit(bench.at(bench.rows(*table, i, 1),
                              i ? std::optional<std::int64_t>(i) : std::nullopt, i + 1))
            .value()));
    table->maintain(table->snapshot()->version).value();
  }
  for (int version = 0; version < 5; ++version) {
    std::filesystem::remove(table->root() / "_delta_log" /
                            ("0000000000000000000" + std::to_string(version) + ".json"));
  }
  os::write_file(bench.disk, table->root() / "_delta_log" / "_last_checkpoint", "{torn").value();
  auto again = bench.table();
  EXPECT_EQ(again->snapshot()->version.value(), 7);
  EXPECT_EQ(again->snapshot()->transaction("app"), 7);
  EXPECT_EQ(again->snapshot()->record_count(), 7);
  EXPECT_EQ(bench.count(*again), "7");
}

TEST(LakeTable, SaysWhichCommitIsMissingOrUnreadable) {
  LakeBench bench;
  auto table = bench.table();
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(is_committed(table->commit(bench.rows(*table, i, 1)).value()));
  const auto log = table->root() / "_delta_log";
  std::filesystem::rename(log / "00000000000000000002.json", log / "gone");
  auto missing = Table::open(table->root(), bench.tools());
  EXPECT_EQ(missing.error().code, base::Code::Corrupt);
  EXPECT_NE(missing.error().text().find("00000000000000000002.json"), std::string::npos);
  os::write_file(bench.disk, log / "00000000000000000002.json", "{\"commitInfo\":{}}\n{not json\n")
      .value();
  auto torn = Table::open(table->root(), bench.tools());
  EXPECT_EQ(torn.error().code, base::Code::Corrupt);
  EXPECT_NE(torn.error().text().find("line 2"), std::string::npos);
  os::write_file(bench.disk, log / "00000000000000000002.json", "").value();
  auto empty = Table::open(table->root(), bench.tools());
  EXPECT_EQ(empty.error().code, base::Code::Corrupt);
}

// Rows that were just computed and rows that come from a file must look alike.
TEST(LakeTable, StoresJsonAsText) {
  LakeBench bench;
  const Schema schema{{"j", sql::Type::json()},
                      {"s", sql::Type::structure({{"j", sql::Type::json()}})},
                      {"l", sql::Type::list(sql::Type::json())}};
  auto table =
      Table::open_or_create(bench.folder.path() / "json", schema, {}, bench.tools()).value();
  EXPECT_EQ(table->snapshot()->metadata->schema[0].type.text(), "VARCHAR");
  auto connection = bench.engine->connect().value();
  ASSERT_TRUE(connection.run(
      R"(CREATE TEMP TABLE computed AS SELECT '{"a":1}'::JSON AS j, {'j': '2'::JSON} AS s,)"
      R"( ['3'::JSON] AS l)"));
  Transaction change;
  change.adds = write_data_files(connection, *table, "computed", {}).value();
  ASSERT_TRUE(is_committed(table->commit(change).value()));
  const auto types = connection.scalar(
      fmt::format("SELECT concat_ws('; ', typeof(j), typeof(s), typeof(l)) FROM ({})",
                  scan_sql(table->root(), *table->snapshot())));
  EXPECT_EQ(types.value(), "VARCHAR; STRUCT(j VARCHAR); VARCHAR[]");
}

TEST(LakeTable, RefusesFeaturesThatItDoesNotHaveAndFilesOutside) {
  LakeBench bench;
  auto table = bench.table();
  const auto next = table->root() / "_delta_log" / "00000000000000000001.json";
  os::write_file(bench.disk, next, R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7}})")
      .value();
  EXPECT_EQ(Table::open(table->root(), bench.tools()).error().code, base::Code::Invalid);
  os::write_file(bench.disk, next,
                 R"({"add":{"path":"../x.parquet","partitionValues":{},"size":1}})")
      .value();
  EXPECT_EQ(Table::open(table->root(), bench.tools()).error().code, base::Code::Invalid);
  os::write_file(bench.disk, next, R"({"protocol":{"minReaderVersion":1,"minWriterVersion":4}})")
      .value();
  auto reader = std::move(Table::open(table->root(), bench.tools())).value();
  EXPECT_EQ(reader->commit({}).error().code, base::Code::Denied);
}

TEST(LakeTable, CompactsWithoutChangingRowsAndVacuumsWhatIsLeft) {
  LakeBench bench;
  auto table = bench.table();
  for (int i = 0; i < 6; ++i)
    ASSERT_TRUE(is_committed(table->commit(bench.rows(*table, i * 10, 10)).value()));
  const auto done = compact(*table).value();
  EXPECT_EQ(done.files_before, 6U);
  EXPECT_EQ(table->snapshot()->files.size(), 1U);
  EXPECT_EQ(bench.count(*table), "60");
  EXPECT_TRUE(vacuum(*table).value().paths.empty());
  bench.clock.advance(24h * 400);
  EXPECT_EQ(vacuum(*table, {.is_dry_run = true}).value().paths.size(), 6U);
  EXPECT_EQ(vacuum(*table).value().paths.size(), 6U);
  EXPECT_EQ(bench.count(*table), "60");
}

// The first moment after the day of a file.
std::optional<base::Time> end_of_day(const AddFile& file) {
  const auto& day = file.partition_values.at("day");
  return day ? std::optional(base::parse_time(*day + "T00:00:00Z").value() + 24h) : std::nullopt;
}

TEST(LakeTable, RemovesFilesAllOfWhoseRowsAreOldAndSaysHowFarBackItIsWhole) {
  LakeBench bench;
  auto table = bench.table();
  int id = 0;
  for (const auto* day : {"2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"}) {
    const auto change = bench.rows(*table, id++ * 10, 10, day);
    ASSERT_TRUE(is_committed(
        table->commit(bench.at(change, id > 1 ? std::optional(id - 1) : std::nullopt, id))
            .value()));
  }
  EXPECT_EQ(kept_from(*table->snapshot()), std::nullopt);
  RetentionOptions options{.horizon = base::parse_time("2026-11-20T23:59:00Z").value(),
                           .end_of = end_of_day};
  options.is_needed = [](const AddFile& file) { return file.path.starts_with("day=2026-11-19"); };
  const auto removed = remove_old_rows(*table, options).value();
  EXPECT_EQ(removed.files, 1U);
  EXPECT_EQ(removed.rows, 10);
  EXPECT_EQ(removed.files_needed, 1U);
  EXPECT_EQ(bench.count(*table), "30");
  EXPECT_EQ(base::format_time(kept_from(*table->snapshot()).value()),
            "2026-11-19T00:00:00.000000Z");
  // Positions stay, and nothing is removed twice.
  EXPECT_EQ(table->snapshot()->transaction("app"), 4);
  options.is_needed = [](const AddFile&) { return false; };
  EXPECT_EQ(remove_old_rows(*table, options).value().files, 1U);
  const auto version = table->snapshot()->version;
  EXPECT_EQ(remove_old_rows(*table, options).value().files, 0U);
  EXPECT_EQ(table->snapshot()->version, version);
  EXPECT_EQ(table->history(1).value()[0].operation, kRemoveOldRows);
  table = bench.table();
  EXPECT_EQ(bench.count(*table), "20");
  EXPECT_EQ(base::format_time(kept_from(*table->snapshot()).value()),
            "2026-11-20T00:00:00.000000Z");
  // Who reads an older version does so for a week.
  EXPECT_TRUE(vacuum(*table).value().paths.empty());
  bench.clock.advance(24h * 8);
  EXPECT_EQ(vacuum(*table).value().paths.size(), 2U);
}

TEST(LakeTable, KnowsTheNewestTimeOfAFileByItsStatistics) {
  const AddFile file{.stats = R"({"numRecords":1,"maxValues":{"ts":"2026-11-20T12:00:00.001Z"}})"};
  EXPECT_EQ(newest_in(file, "ts"), base::parse_time("2026-11-20T12:00:00.001Z").value());
  EXPECT_EQ(newest_in(file, "other"), std::nullopt);
  EXPECT_EQ(newest_in(AddFile{}, "ts"), std::nullopt);
  EXPECT_EQ(newest_in({.stats = R"({"maxValues":{"ts":7}})"}, "ts"), std::nullopt);
}

// A full disk may hold up a commit for hours, and who makes room vacuums.
TEST(LakeTable, VacuumLeavesTheFilesOfACommitThatIsStillToCome) {
  LakeBench bench;
  auto table = bench.table();
  const auto change = bench.rows(*table, 0, 10);
  bench.clock.advance(24h * 400);
  EXPECT_TRUE(vacuum(*table).value().paths.empty());
  ASSERT_TRUE(is_committed(table->commit(change).value()));
  EXPECT_EQ(bench.count(*table), "10");
  EXPECT_TRUE(vacuum(*table).value().paths.empty());
  // What nobody waits for after a restart goes.
  (void)bench.rows(*table, 10, 10);
  table = bench.table();
  bench.clock.advance(24h * 400);
  EXPECT_EQ(vacuum(*table).value().paths.size(), 1U);
  EXPECT_EQ(bench.count(*table), "10");
}

TEST(LakeTable, DescribesItsFilesTruly) {
  LakeBench bench;
  auto table = bench.table();
  const auto change = bench.rows(*table, 5, 100);
  ASSERT_EQ(change.adds.size(), 1U);
  EXPECT_EQ(change.adds[0].stats,
            R"({"numRecords":100,"minValues":{"id":5,"name":"n10","amount":0.05},)"
            R"("maxValues":{"id":104,"name":"n99","amount":1.04},)"
            R"("nullCount":{"id":0,"name":0,"amount":0}})");
  EXPECT_TRUE(change.adds[0].path.starts_with("day=2026-11-20/part-"));
}

TEST(LakeTable, PartitionsByTimeInUtcWhateverZoneIsShown) {
  LakeBench bench;
  ASSERT_TRUE(bench.connection->run("SET TimeZone = 'Asia/Kolkata'").has_value());
  auto table = std::move(Table::open_or_create(bench.folder.path() / "hourly",
                                               {{"hour", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)},
                                                {"n", sql::Type(DUCKDB_TYPE_BIGINT)}},
                                               {"hour"}, bench.tools()))
                   .value();
  const auto adds =
      write_data_files(*bench.connection, *table,
                       "(SELECT TIMESTAMPTZ '2026-11-20 01:00:00+01' + to_hours(i) AS hour, i AS n "
                       "FROM range(2) r(i))")
          .value();
  ASSERT_TRUE(is_committed(table->commit({.adds = adds}).value()));
  ASSERT_EQ(adds.size(), 2U);
  EXPECT_EQ(adds[1].partition_values.at("hour"), "2026-11-20T01:00:00.000000Z");
  EXPECT_TRUE(adds[1].path.starts_with("hour=2026-11-20T01%253A00%253A00.000000Z/part-"));
  EXPECT_EQ(bench.connection
                ->scalar("SELECT n FROM (" + scan_sql(table->root(), *table->snapshot()) +
                         ") WHERE hour = TIMESTAMPTZ '2026-11-20 01:00:00+00'")
                .value(),
            "1");
}

TEST(LakeActions, ReadsWhatSparkSaysOfACommitWhereItsWriterPutsIt) {
  const auto said = [](const std::string& info) {
    return decode_commit(R"({"commitInfo":{"operation":"WRITE")" + info + "}}", 3)
        .value()
        .info.extra;
  };
  EXPECT_EQ(said(R"(,"millrace":{"runs":{"a":1}})"), R"({"runs":{"a":1}})");
  EXPECT_EQ(said(R"(,"tags":{"millrace":"{\"runs\":{\"a\":1}}","other":"x"})"),
            R"({"runs":{"a":1}})");
  EXPECT_EQ(said(""), "{}");
  EXPECT_EQ(said(R"(,"tags":null)"), "{}");
  EXPECT_EQ(said(R"(,"tags":{"other":"x"})"), "{}");
  EXPECT_EQ(said(R"(,"tags":{"millrace":"not {"})"), "{}");
  EXPECT_EQ(said(R"(,"tags":{"millrace":7})"), "{}");
}

TEST(LakeActions, EncodesPartitionFoldersTwice) {
  const std::vector<std::string> column{"p"};
  EXPECT_EQ(partition_folder(column, {{"p", "US/East"}}), "p=US%2FEast/");
  EXPECT_EQ(uri_encoded("p=US%2FEast/"), "p=US%252FEast/");
  EXPECT_EQ(partition_folder(column, {{"p", std::nullopt}}), "p=__HIVE_DEFAULT_PARTITION__/");
  EXPECT_EQ(uri_encoded("p=a b/"), "p=a%20b/");
  EXPECT_EQ(uri_decoded(uri_encoded("p=100%25 #1/ü")), "p=100%25 #1/ü");
}

}  // namespace
}  // namespace millrace::lake
