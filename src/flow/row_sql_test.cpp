#include "flow/row_sql.hpp"

#include <gtest/gtest.h>

#include "sql/instance.hpp"

namespace millrace::flow {
namespace {

const std::vector<sql::Column>& order_columns() {
  static const std::vector<sql::Column> kColumns{
      {"id", sql::Type(DUCKDB_TYPE_VARCHAR)},
      {"amount", sql::Type::decimal(12, 2)},
      {"items", sql::Type::list(sql::Type(DUCKDB_TYPE_BIGINT))},
      {"_shard", sql::Type(DUCKDB_TYPE_INTEGER)},
      {"_offset", sql::Type(DUCKDB_TYPE_BIGINT)},
      {"_received_at", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)}};
  return kColumns;
}

class NoRows final : public sql::ScanTable {
 public:
  const std::vector<sql::Column>& columns() const override { return order_columns(); }
  std::unique_ptr<sql::Scan> scan() override {
    class Nothing final : public sql::Scan {
      bool next(sql::ScanPart&) override { return false; }
    };
    return std::make_unique<Nothing>();
  }
};

class RowSql : public testing::Test {
 protected:
  RowSql() {
    instance_ = std::move(sql::Instance::open({})).value();
    instance_
        ->add_table_function(
            "batch",
            [](std::string_view) {
              return base::Result<std::shared_ptr<sql::ScanTable>>(std::make_shared<NoRows>());
            })
        .value();
    connection_.emplace(instance_->connect().value());
    connection_->run("CREATE TEMP VIEW orders AS FROM batch('orders')").value();
  }

  std::string columns_of(std::string_view text) {
    auto compiled = compile_row_sql(*connection_, text, "orders");
    if (!compiled) return compiled.error().text();
    std::string names;
    for (const auto& column : connection_->prepare(*compiled).value().columns()) {
      names += column.name + " ";
    }
    return names;
  }
  base::Error error_of(std::string_view text) {
    return compile_row_sql(*connection_, text, "orders").error();
  }

  std::unique_ptr<sql::Instance> instance_;
  std::optional<sql::Connection> connection_;
};

TEST_F(RowSql, AppendsThePositionWhateverTheSelectNames) {
  EXPECT_EQ(columns_of("SELECT id FROM orders"), "id _shard _offset _row _received_at ");
  EXPECT_EQ(columns_of("SELECT * EXCLUDE (items) FROM orders WHERE amount > 5"),
            "id amount _shard _offset _row _received_at ");
  EXPECT_EQ(columns_of("SELECT _offset, o.id, o.* EXCLUDE (id, _shard) FROM orders o"),
            "id amount items _shard _offset _row _received_at ");
  EXPECT_EQ(columns_of("SELECT id, unnest(items) AS item FROM orders"),
            "id item _shard _offset _row _received_at ");
  EXPECT_EQ(columns_of("SELECT a * 2 AS b FROM (SELECT amount AS a FROM orders)"),
            "b _shard _offset _row _received_at ");
}

TEST_F(RowSql, RefusesWhatDependsOnTheCutOfTheStream) {
  for (const std::string_view text :
       {"SELECT count(*) FROM orders", "SELECT id, sum(amount) FROM orders GROUP BY id",
        "SELECT id FROM orders GROUP BY ALL", "SELECT DISTINCT id FROM orders",
        "SELECT id FROM orders ORDER BY id", "SELECT id FROM orders LIMIT 3",
        "SELECT row_number() OVER () FROM orders", "SELECT id FROM orders USING SAMPLE 10%",
        "SELECT id FROM orders UNION ALL SELECT id FROM orders",
        "SELECT id, (SELECT max(amount) FROM orders) FROM orders",
        "SELECT a.id FROM orders a JOIN orders b USING (id)",
        "WITH o AS (SELECT * FROM orders) SELECT id FROM o",
        "SELECT id FROM (SELECT id, count(*) FROM orders GROUP BY id)"}) {
    const auto error = error_of(text);
    EXPECT_EQ(error.code, base::Code::Invalid) << text;
    EXPECT_NE(error.message.find("row by row"), std::string::npos) << text << error.message;
  }
}

TEST_F(RowSql, RefusesWhatGivesAnotherAnswerEachTime) {
  for (const std::string_view text :
       {"SELECT now() FROM orders", "SELECT current_timestamp FROM orders",
        "SELECT random() FROM orders", "SELECT uuid() FROM orders",
        "SELECT current_user FROM orders", "SELECT today() FROM orders",
        "SELECT current_setting('TimeZone') FROM orders", "SELECT current_date FROM orders"}) {
    const auto error = error_of(text);
    EXPECT_NE(error.message.find("another answer"), std::string::npos) << text << error.message;
  }
}

TEST_F(RowSql, NamesThePlaceOfAnError) {
  EXPECT_EQ(sql::position_of(error_of("SELECT id,\n nosuch FROM orders")), 12U);
  EXPECT_EQ(sql::position_of(error_of("SELECT id, sum(amount) FROM orders")), 11U);
  EXPECT_EQ(error_of("SELECT id FROM oders").code, base::Code::Invalid);
  EXPECT_EQ(error_of("SELEC id").code, base::Code::Invalid);
  EXPECT_EQ(error_of("SELECT 1; SELECT 2").code, base::Code::Invalid);
  EXPECT_EQ(error_of("DELETE FROM orders").code, base::Code::Invalid);
}

TEST_F(RowSql, ChecksExpressionsWithTheirOwnPlaces) {
  EXPECT_TRUE(check_row_expression(*connection_, "amount > 0 AND id IS NOT NULL", "orders"));
  const auto failed = check_row_expression(*connection_, "amount > 0 AND nosuch", "orders");
  EXPECT_EQ(sql::position_of(failed.error()), 15U);
  EXPECT_FALSE(check_row_expression(*connection_, "count(*) > 1", "orders"));
  EXPECT_FALSE(check_row_expression(*connection_, "id, amount", "orders"));
}

}  // namespace
}  // namespace millrace::flow
