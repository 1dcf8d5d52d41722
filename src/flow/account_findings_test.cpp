// What an account finds: each thing that could be wrong with a table is done to one.

#include <gmock/gmock.h>

#include "flow/test_account.hpp"

namespace millrace::flow {
namespace {

using testing::HasSubstr;

TEST(AccountFindings, NamesALostFile) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  const auto& files = bench.table("checked").snapshot()->files;
  const auto path = bench.table("checked").root() / lake::uri_decoded(files.begin()->first);
  const auto bytes = bench.disk.stat(path).value()->size;
  ASSERT_TRUE(bench.disk.rename(path, path.string() + ".away"));
  EXPECT_EQ(bench.text("checked"), "a data file is lost: " + path.string());
  EXPECT_THAT(bench.text("frauds"), HasSubstr("a data file is lost: " + path.string()));
  EXPECT_FALSE(bench.account("checked").is_compared);
  ASSERT_TRUE(os::write_file(bench.disk, path, "PAR1"));
  EXPECT_EQ(
      bench.text("checked"),
      fmt::format("a data file has 4 bytes, and the commit says {}: {}", bytes, path.string()));
}

TEST(AccountFindings, MissesRowsThatACommitTookAway) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  lake::Transaction change{.operation = "DELETE"};
  for (const auto& [path, file] : bench.table("checked").snapshot()->files) {
    if (file->partition_values.at("day") == "2026-11-19") change.removes.push_back({.path = path});
  }
  ASSERT_EQ(change.removes.size(), 1U);
  bench.commit("checked", change);
  EXPECT_EQ(bench.text("checked"),
            "shard 0 of orders (one): 1 row is missing: commits brought 2 rows, 0 were removed "
            "because they were old, and 1 are there; commits brought rows of 2 records, and there "
            "are rows of 1");
  EXPECT_THAT(bench.text("frauds"), HasSubstr("the table that it reads has rows of 1 record, and 2 "
                                              "came; 1 record is not in the table that it reads, "
                                              "the first at offset 1"));
}

TEST(AccountFindings, FindsRowsThatAreThereTwice) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  auto connection = bench.engine->connect().value();
  auto& table = bench.table("checked");
  const auto again = fmt::format("(SELECT * FROM ({}) WHERE _shard = 1 AND _offset = 2)",
                                 lake::scan_sql(table.root(), *table.snapshot()));
  bench.commit("checked", {.adds = lake::write_data_files(connection, table, again).value()});
  EXPECT_EQ(bench.text("checked"),
            "shard 1 of orders (one): 1 row is too many: commits brought 2 rows, 0 were removed "
            "because they were old, and 3 are there; 1 row is there more than once, the first at "
            "offset 2, row 0");
}

TEST(AccountFindings, FindsRowsAtPositionsThatNoCommitCameTo) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  auto connection = bench.engine->connect().value();
  auto& table = bench.table("checked");
  const auto rows = [&](const std::string& replaced) {
    const auto again =
        fmt::format("(SELECT * REPLACE ({}) FROM ({}) WHERE _shard = 1 AND _offset = 2)", replaced,
                    lake::scan_sql(table.root(), *table.snapshot()));
    return lake::write_data_files(connection, table, again).value();
  };
  bench.commit("checked", {.adds = rows("CAST(17 AS BIGINT) AS _offset")});
  EXPECT_EQ(bench.text("checked"),
            "there are rows of shard 1 up to offset 17, and commits came to 3 only");
  bench.commit("checked", {.adds = rows("CAST(9 AS INTEGER) AS _shard")});
  bench.commit("checked", {.adds = rows("CAST(NULL AS INTEGER) AS _shard")});
  EXPECT_EQ(bench.text("checked"),
            "1 rows do not say where they come from\n"
            "there are rows of shard 1 up to offset 17, and commits came to 3 only\n"
            "there are rows of shard 9 up to offset 2, and no commit has read it");
}

TEST(AccountFindings, MissesRejectsAndFindsThoseThatHaveRows) {
  AccountBench bench;
  put_all_fates(bench.source);
  bench.take_in();
  auto& rejects = bench.table(kRejectsTable);
  lake::Transaction change{.operation = "DELETE"};
  for (const auto& [path, file] : rejects.snapshot()->files)
    change.removes.push_back({.path = path});
  auto connection = bench.engine->connect().value();
  const auto all = lake::scan_sql(rejects.root(), *rejects.snapshot());
  const auto moved = fmt::format(
      "(SELECT * REPLACE (CAST(if(reason = 'malformed', 1, _offset) AS BIGINT) AS _offset) FROM "
      "({}) WHERE reason <> 'duplicate')",
      all);
  change.adds = lake::write_data_files(connection, rejects, moved).value();
  bench.commit(kRejectsTable, change);
  EXPECT_EQ(bench.text("checked"),
            "shard 0 of orders (one): 1 record has both rows and rejected, the first at offset 1, "
            "and commits say so of 0; commits rejected 2 records, and `_rejects` has 1");
}

TEST(AccountFindings, FindsCountsThatWereChanged) {
  const auto text = [](const std::string& id, std::int64_t number) {
    AccountBench bench;
    put_all_fates(bench.source);
    bench.take_in();
    EXPECT_EQ(bench.unaccounted(), "");
    bench.set("checked", id, number);
    return bench.text("checked");
  };
  EXPECT_THAT(text("0/count.rows", 3), HasSubstr("1 row is missing: commits brought 3 rows"));
  EXPECT_THAT(text("0/count.taken", 3), HasSubstr("rows of 3 records, and there are rows of 2"));
  EXPECT_THAT(text("0/count.rejected", 1),
              HasSubstr("commits rejected 1 record, and `_rejects` has 2"));
  EXPECT_THAT(
      text("0/count.filtered", 0),
      HasSubstr("of 5 records that came, 2 have rows, 2 were rejected (0 of them have both) "
                "and 0 left out by the SQL: 1 unaccounted for"));
  EXPECT_THAT(text("0/count.partly", 1), HasSubstr("0 records have both rows and rejected"));
  EXPECT_THAT(text("0/count.records", 6),
              HasSubstr("from position 0 to 5 there are 5 records, and 6 were counted"));
  EXPECT_THAT(text("0/count.removed", 1), HasSubstr("1 row is too many"));
  EXPECT_THAT(text("0/count.from", 1), HasSubstr("from position 1 to 5 there are 4 records"));
  EXPECT_THAT(text("0/count.until", 4),
              HasSubstr("the position is 5, but records are counted up to "
                        "4"));
  EXPECT_THAT(text("0", 4), HasSubstr("the position is 4, but records are counted up to 5"));
}

}  // namespace
}  // namespace millrace::flow
