#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batch/redshift_columns.hpp"
#include "batch/redshift_statements.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

LoadTarget target_of(lake::Schema columns) {
  return {.pipeline = "shop",
          .table = "sales.daily",
          .columns = std::move(columns),
          .partition_column = "day"};
}

RedshiftColumn text_column(std::int64_t bytes, int asked = 0) {
  auto column = redshift_columns(target_of({{"c", sql::Type(DUCKDB_TYPE_VARCHAR)}})).value()[0];
  column.bytes_max = bytes;
  column.length_asked = asked;
  return column;
}

TEST(RedshiftColumns, NamesAreInSmallLettersAndDiffer) {
  const sql::Type text(DUCKDB_TYPE_VARCHAR);
  EXPECT_EQ(in_small_letters(target_of({{"Total Ä", text}})).value().columns[0].name, "total Ä");
  EXPECT_THAT(in_small_letters(target_of({{"a", text}, {"A", text}})).error().message,
              HasSubstr("column 'a' would be there twice"));
  EXPECT_TRUE(in_small_letters(target_of({{std::string(127, 'x'), text}})));
  EXPECT_THAT(in_small_letters(target_of({{std::string(128, 'x'), text}})).error().message,
              HasSubstr("has a name of 128 bytes, and Redshift takes 127"));
}

TEST(RedshiftColumns, WhatRedshiftLacksIsRefusedWithTheMend) {
  const auto why = [](sql::Type type) {
    return redshift_columns(target_of({{"c", std::move(type)}})).error().message;
  };
  EXPECT_THAT(why(sql::Type(DUCKDB_TYPE_BLOB)), HasSubstr("column 'c' is BLOB"));
  EXPECT_THAT(why(sql::Type::decimal(38, 38)), HasSubstr("37 digits behind the point"));
  auto target = target_of({{"c", sql::Type::list(sql::Type(DUCKDB_TYPE_BIGINT))}});
  target.redshift = config::RedshiftTable{.sort_key = {"c"}};
  EXPECT_THAT(redshift_columns(target).error().message, HasSubstr("cannot be a sort_key"));
  target.redshift = config::RedshiftTable{.dist_key = "d"};
  EXPECT_THAT(redshift_columns(target).error().message, HasSubstr("column 'd' is named in `load`"));
}

TEST(RedshiftColumns, TextsGetRoomToGrow) {
  EXPECT_EQ(length_for(text_column(0), 0).value(), 256);
  EXPECT_EQ(length_for(text_column(128), 0).value(), 256);
  EXPECT_EQ(length_for(text_column(129), 0).value(), 512);
  EXPECT_EQ(length_for(text_column(65535), 0).value(), 65535);
  EXPECT_EQ(length_for(text_column(200), 256).value(), 256) << "it fits: nothing is changed";
  EXPECT_EQ(length_for(text_column(300), 256).value(), 1024);
  EXPECT_EQ(length_for(text_column(10, 20), 0).value(), 20);
  EXPECT_EQ(length_for(text_column(10, 20), 30).value(), 30) << "nothing is made narrower";
  EXPECT_THAT(length_for(text_column(21, 20), 20).error().message,
              HasSubstr("column 'c' has a text of 21 bytes, and `lengths` allows 20"));
  EXPECT_THAT(length_for(text_column(65536), 0).error().message, HasSubstr("Redshift takes 65535"));
}

TEST(RedshiftColumns, AColumnThatIsThereIsNeverChangedButInItsLength) {
  const auto column = [](sql::Type type) {
    return redshift_columns(target_of({{"c", std::move(type)}})).value()[0];
  };
  const auto there = [](const char* type, int precision = -1, int scale = -1) {
    return redshift_column_there(type, precision, precision, scale);
  };
  EXPECT_TRUE(check_holds(column(sql::Type(DUCKDB_TYPE_INTEGER)), there("bigint")));
  EXPECT_TRUE(check_holds(column(sql::Type(DUCKDB_TYPE_VARCHAR)), there("character varying", 3)));
  EXPECT_TRUE(check_holds(column(sql::Type::decimal(12, 2)), there("numeric", 38, 2)));
  EXPECT_TRUE(check_holds(column(sql::Type::list(sql::Type())), there("super")));
  EXPECT_THAT(check_holds(column(sql::Type(DUCKDB_TYPE_BIGINT)), there("integer")).error().message,
              HasSubstr("is INTEGER in the warehouse and would be BIGINT now, and Redshift changes "
                        "no type"));
  EXPECT_THAT(
      check_holds(column(sql::Type::decimal(12, 3)), there("numeric", 12, 2)).error().message,
      HasSubstr("DECIMAL(12,2) in the warehouse and would be DECIMAL(12,3)"));
  EXPECT_FALSE(check_holds(column(sql::Type(DUCKDB_TYPE_VARCHAR)), there("bigint")));
  EXPECT_FALSE(check_holds(column(sql::Type(DUCKDB_TYPE_DATE)), there("geometry")));
}

TEST(RedshiftStatements, ALoadIsOneListThatUndoesItselfWhenItDoesNotHold) {
  const auto zone = config::TimeZone::find("UTC").value();
  const auto target =
      target_of({{"day", sql::Type(DUCKDB_TYPE_DATE)}, {"n", sql::Type(DUCKDB_TYPE_BIGINT)}});
  const auto columns = redshift_columns(target).value();
  const PartitionLoad load{
      .partition = parse_partition(config::Each::Day, "2026-11-20", zone).value(),
      .mark = {"life", 3},
      .run_id = "r2"};
  const LoadPlan plan{.target = target,
                      .columns = columns,
                      .load = load,
                      .before = LedgerRow{{"life", 2}, "r1", 5},
                      .staged = {"s3://b/x/manifest", "default"},
                      .proof = {"2", "7"},
                      .at = base::parse_time("2026-11-21T01:00:00Z").value()};
  std::string texts;
  for (const auto& step : load_steps(plan)) texts += step.sql + "\n";
  const std::string table = "\"sales\".\"daily\"", ledger = "\"sales\".\"millrace_loads\"";
  const std::string day = "\"day\" = DATE '2026-11-20'";
  const std::string row =
      "\"pipeline\" = 'shop' AND \"table_name\" = 'sales.daily' AND \"partition\" = '2026-11-20'";
  const auto guard = [](const std::string& holds, const std::string& rows) {
    return "SELECT 1 / CASE WHEN " + holds + " THEN 1 ELSE 0 END AS \"holds\" FROM " + rows + "\n";
  };
  EXPECT_EQ(texts,
            "LOCK " + ledger + "\n" +
                guard("count(*) = 1", ledger + " WHERE " + row +
                                          " AND \"life\" = 'life' AND \"mark\" = 2 AND \"run_id\" "
                                          "= 'r1'") +
                "DELETE FROM " + table + " WHERE " + day + "\n" +
                "CREATE TEMPORARY TABLE \"millrace_stage\" (\"day\" DATE, \"n\" BIGINT)\n"
                "COPY \"millrace_stage\" FROM 's3://b/x/manifest' IAM_ROLE default FORMAT AS "
                "PARQUET MANIFEST\n"
                "INSERT INTO " +
                table + " (\"day\", \"n\") SELECT \"day\", \"n\" FROM \"millrace_stage\"\n" +
                "DROP TABLE \"millrace_stage\"\n" +
                guard("count(*) = CAST('2' AS DECIMAL(38,0))", table + " WHERE " + day) +
                guard("sum(\"n\") = CAST('7' AS DECIMAL(38,0))", table + " WHERE " + day) +
                "DELETE FROM " + ledger + " WHERE " + row + "\n" + "INSERT INTO " + ledger +
                " (\"pipeline\", \"table_name\", \"partition\", \"life\", \"mark\", \"run_id\", "
                "\"rows\", \"loaded_at\") VALUES ('shop', 'sales.daily', '2026-11-20', 'life', 3, "
                "'r2', 2, CAST('2026-11-21T01:00:00.000000Z' AS TIMESTAMPTZ))\n");
}

}  // namespace
}  // namespace millrace::batch
