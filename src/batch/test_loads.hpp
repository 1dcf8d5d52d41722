#pragma once

#include <gtest/gtest.h>

#include <string>

#include "batch/test_bench.hpp"
#include "postgres/connection.hpp"
#include "postgres/test_server.hpp"

namespace millrace::batch {

/// A job that is loaded, into a DuckDB file and, where there is a server, into PostgreSQL.
enum class Kind : std::uint8_t { DuckDb, Postgres };

class LoadsTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() != Kind::Postgres) return;
    const auto url = postgres::test_server();
    if (!url) GTEST_SKIP() << "MILLRACE_TEST_POSTGRES names no server";
    server_ = postgres::Connection::open({.url = *url}).value();
    server_->query("DROP SCHEMA IF EXISTS sales CASCADE").value();
  }
  bool is_postgres() const { return GetParam() == Kind::Postgres; }

  /// The job `daily`, whose SELECT is `columns` of `orders`, grouped.
  std::string pipeline(const std::string& columns) const {
    const std::string warehouse = is_postgres()
                                      ? "{kind: postgres, url: '" + *postgres::test_server() + "'}"
                                      : "{kind: duckdb, path: " + file() + "}";
    return shop("warehouses:\n  reporting: " + warehouse + "\njobs:\n  daily:\n    each: day\n" +
                "    sql: |\n      SELECT " + columns +
                " FROM orders WHERE day = $day GROUP BY ALL\n" +
                "    load: {to: reporting, table: sales.daily}\n" +
                "    retry: {attempts: 2, wait: 1ms}\n");
  }
  std::string file() const { return (folder_.path() / "reporting.duckdb").string(); }

  /// Does something in the warehouse that the pipeline knows nothing of.
  void tamper(const std::string& sql) {
    if (is_postgres()) {
      server_->query(sql).value();
      return;
    }
    auto other = sql::Instance::open({.threads = 1}).value();
    auto connection = other->connect().value();
    connection.run("ATTACH '" + file() + "' AS w").value();
    connection.run("USE w").value();
    connection.run(sql).value();
  }

  /// What the warehouse answers: `1|a, 2|b`.
  std::string ask(const std::string& select) {
    const auto all = "SELECT coalesce(string_agg(line, ', '), '') FROM (SELECT concat_ws('|', " +
                     select + ") AS line FROM sales.daily ORDER BY 1) AS lines";
    return ask_whole(all);
  }
  std::string ask_whole(const std::string& sql) {
    if (is_postgres()) {
      const auto answer = server_->query(sql);
      if (!answer) return answer.error().text();
      return answer->rows.empty() ? "" : answer->rows[0][0].value_or("NULL");
    }
    auto other = sql::Instance::open({.threads = 1}).value();
    auto connection = other->connect().value();
    connection.run("ATTACH '" + file() + "' AS w").value();
    connection.run("USE w").value();
    const auto value = connection.scalar(sql);
    return value ? value->value_or("NULL") : value.error().text();
  }

  os::TestFolder folder_;
  std::unique_ptr<postgres::Connection> server_;
};

inline constexpr const char* kColumns = "customer, count(*) AS orders, sum(amount) AS total";
inline constexpr const char* kAll = "day, customer, orders, total";

}  // namespace millrace::batch
