// What becomes of jobs when columns are added.
#include <gmock/gmock.h>

#include "batch/test_bench.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

const char* const kDaily = R"yaml(
jobs:
  daily:
    each: day
    sql: SELECT customer, count(*) AS orders FROM orders WHERE day = $day GROUP BY ALL
)yaml";
const char* const kAllColumns = R"yaml(
jobs:
  daily:
    each: day
    sql: |
      SELECT md5(string_agg(CAST(o AS VARCHAR), '' ORDER BY id)) AS sum FROM orders AS o
      WHERE day = $day
)yaml";

class JobColumns : public JobsBench, public testing::Test {
 protected:
  explicit JobColumns(const char* jobs = kDaily) : JobsBench(shop(jobs)) {
    order("ann", "1", "2026-11-19T12:00:00Z");
    order("bob", "2", "2026-11-20T12:00:00Z");
    EXPECT_EQ(open()->run("daily").value().size(), 2U);
  }

  std::unique_ptr<Jobs> open_with(const std::string& select) {
    changed = pipeline;
    changed.jobs[0].sql.text = select;
    const auto with = parts();
    auto jobs = Jobs::open({changed, with.tools, board, stream, with.folder, {}});
    if (!jobs) error = jobs.error().text();
    return jobs ? std::move(*jobs) : nullptr;
  }
  void widen_orders() {
    auto columns = order_columns();
    columns.insert(columns.begin() + 2, {"channel", sql::Type(DUCKDB_TYPE_VARCHAR)});
    board.remove_table("orders");
    orders = std::move(lake::Table::open_or_create(folder.path() / "tables" / "orders", columns,
                                                   {"day"}, tools()))
                 .value();
    board.add_table("orders", *orders);
  }

  config::Pipeline changed;
  std::string error;
};

class JobOfAllColumns : public JobColumns {
 protected:
  JobOfAllColumns() : JobColumns(kAllColumns) {}
};

TEST_F(JobColumns, ANewOneIsAddedAndFilledByTheNextRunOfEachPartition) {
  const auto jobs = open_with(
      "SELECT customer, sum(amount) AS total, count(*) AS orders FROM orders WHERE day = $day "
      "GROUP BY ALL");
  ASSERT_TRUE(jobs) << error;
  EXPECT_EQ(rows("SELECT * FROM daily ORDER BY ALL"), "2026-11-19|ann|1, 2026-11-20|bob|1");
  EXPECT_EQ(jobs->run("daily", "2026-11-20").value()[0].error, "");
  EXPECT_EQ(rows("SELECT * FROM daily ORDER BY ALL"), "2026-11-19|ann|1, 2026-11-20|bob|2.00|1");
  EXPECT_EQ(jobs->run("daily").value().size(), 1U);
  EXPECT_EQ(rows("SELECT * FROM daily ORDER BY ALL"),
            "2026-11-19|ann|1.00|1, 2026-11-20|bob|2.00|1");
}

TEST_F(JobColumns, OneThatIsGoneIsRefusedWithTheMend) {
  EXPECT_FALSE(open_with("SELECT customer FROM orders WHERE day = $day"));
  EXPECT_THAT(error, HasSubstr("shop.yaml:17"));
  EXPECT_THAT(error, HasSubstr("column 'orders' BIGINT is gone"));
}

TEST_F(JobColumns, OneMoreOfAnInputMakesNothingStale) {
  const auto before = open();
  EXPECT_EQ(states(*before, "daily"), "2026-11-19 fresh, 2026-11-20 fresh");
  widen_orders();
  EXPECT_EQ(states(*open(), "daily"), "2026-11-19 fresh, 2026-11-20 fresh");
}

TEST_F(JobOfAllColumns, OneMoreOfAnInputMakesEveryPartitionStale) {
  widen_orders();
  EXPECT_EQ(states(*open(), "daily"), "2026-11-19 stale, 2026-11-20 stale");
}

}  // namespace
}  // namespace millrace::batch
