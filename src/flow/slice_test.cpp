#include "flow/slice.hpp"

#include <gtest/gtest.h>

#include "sql/instance.hpp"

namespace millrace::flow {
namespace {

class SliceOf : public testing::Test {
 protected:
  SliceOf()
      : instance_(std::move(sql::Instance::open({})).value()),
        connection_(instance_->connect().value()) {}

  /// The conditions of the slice as DuckDB writes them; empty: it has none.
  std::string conditions(const std::string& text) {
    const auto slices = reads_of(connection_, text, cut({"day", "shop"})).value().slices;
    if (slices.empty()) return "";
    EXPECT_EQ(slices.size(), 1U);
    EXPECT_EQ(slices.front().table, "orders");
    const std::string& sql = slices.front().sql;
    const std::string before = "WHERE ";
    return sql.substr(sql.find(before) + before.size());
  }

  static Cut cut(const std::vector<std::string>& partition_columns, lake::Schema schema = {}) {
    auto metadata = std::make_shared<lake::Metadata>();
    metadata->partition_columns = partition_columns;
    metadata->schema = std::move(schema);
    auto snapshot = std::make_shared<lake::Snapshot>();
    snapshot->metadata = std::move(metadata);
    Cut cut;
    cut.tables["orders"].snapshot = std::move(snapshot);
    return cut;
  }

  std::unique_ptr<sql::Instance> instance_;
  sql::Connection connection_;
};

TEST_F(SliceOf, IsWhatConditionsOnPartitionColumnsSay) {
  EXPECT_EQ(conditions("SELECT count(*) FROM orders WHERE day = $day"), "((\"day\" = $day))");
  EXPECT_EQ(conditions("SELECT x FROM orders o WHERE o.DAY >= $since AND amount > 3 AND shop IN "
                       "('a', 'b')"),
            "((o.\"DAY\" >= $since) AND (shop IN ('a', 'b')))");
  EXPECT_EQ(conditions("SELECT * FROM orders WHERE day BETWEEN $a AND $a + INTERVAL 7 DAY OR day "
                       "IS NULL"),
            "(((\"day\" BETWEEN $a AND ($a + to_days(CAST(trunc(CAST(7 AS DOUBLE)) AS INTEGER)))) "
            "OR (\"day\" IS NULL)))");
  EXPECT_EQ(conditions("WITH d AS (SELECT * FROM orders WHERE CAST(day AS VARCHAR) LIKE '2026%') "
                       "SELECT a.x FROM d a JOIN d b USING (x) WHERE a.day > b.day"),
            "((CAST(\"day\" AS VARCHAR) ~~ '2026%'))");
  EXPECT_EQ(conditions("SELECT n FROM (SELECT count(*) n FROM orders WHERE shop = 'a') WHERE n > 3 "
                       "UNION ALL SELECT 3"),
            "((shop = 'a'))");
}

TEST_F(SliceOf, MayDependOnTheTime) {
  EXPECT_EQ(conditions("SELECT count(*) FROM orders WHERE day >= current_date - 7 AND day < now()"),
            "((\"day\" >= (current_date - 7)) AND (\"day\" < now()))");
  // Unless it is a column.
  const auto known = cut({"day"}, {{"Current_Date", sql::Type(DUCKDB_TYPE_DATE)}});
  const auto reads = reads_of(connection_, "SELECT 1 FROM orders WHERE day = current_date", known);
  EXPECT_TRUE(reads.value().slices.empty());
}

TEST_F(SliceOf, IsNoneIfAnyPartitionMayBeRead) {
  for (const std::string text :
       {"SELECT count(*) FROM orders",
        "SELECT count(*) FROM orders WHERE amount > 3",
        "SELECT count(*) FROM orders WHERE day = $day OR amount > 3",
        "SELECT count(*) FROM orders WHERE day = placed",
        "SELECT day FROM orders HAVING day = $day",
        "SELECT count(*) FILTER (day = $day) FROM orders",
        "SELECT count(*) FROM orders WHERE other.day = $day",
        "SELECT count(*) FROM orders o WHERE orders.day = $day",
        "SELECT count(*) FROM orders WHERE day = (SELECT max(day) FROM orders)",
        "SELECT count(*) FROM orders WHERE day = (SELECT 1)",
        "SELECT count(*) FROM orders WHERE list_sum(list_transform([1], lambda day: day)) = day",
        "SELECT count(*) FROM orders o(day, x) WHERE day = $day",
        "SELECT count(*) FROM orders TABLESAMPLE 10 ROWS WHERE day = $day",
        "SELECT count(*) FROM orders WHERE day = $day USING SAMPLE 10 ROWS",
        "SELECT count(*) FROM orders JOIN range(3) r(i) ON true WHERE day = $day",
        "SELECT count(*) FROM orders, orders o WHERE orders.day = $day",
        "SELECT (SELECT count(*) FROM orders) FROM orders WHERE day = $day",
        "SELECT count(*) FROM orders WHERE day = $day UNION ALL SELECT count(*) FROM orders",
        "SELECT count(*) FROM orders JOIN shops USING (shop) WHERE day = $day",
        "SELECT count(*) FROM others WHERE day = $day",
        "SELECT count(*) FROM orders WHERE random() < 0.5",
        "SELECT count(*) FROM orders WHERE day = getvariable('x')",
        "WITH d AS (SELECT * FROM orders) SELECT count(*) FROM d WHERE day = $day",
        "WITH orders AS (SELECT * FROM orders WHERE day = $day) SELECT * FROM orders",
        "SELECT 1 WHERE 1 = $day"}) {
    EXPECT_EQ(conditions(text), "") << text;
  }
  const auto reads = reads_of(connection_, "SELECT * FROM orders, x WHERE day = $day", cut({}));
  EXPECT_EQ(reads->tables, (std::vector<std::string>{"orders", "x"}));
  EXPECT_TRUE(reads->slices.empty());
  EXPECT_FALSE(reads_of(connection_, "DELETE FROM orders WHERE day = $day", cut({"day"})));
}

}  // namespace
}  // namespace millrace::flow
