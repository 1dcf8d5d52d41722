#include "lookup/postgres_origin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/event_log.hpp"
#include "lookup/lookup.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "postgres/connection.hpp"
#include "postgres/test_server.hpp"

namespace millrace::lookup {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::HasSubstr;

/// Lookups from a real server.
class PostgresOriginTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto url = postgres::test_server();
    if (!url) GTEST_SKIP() << "MILLRACE_TEST_POSTGRES names no server";
    url_ = *url;
    server_ = postgres::Connection::open({.url = url_}).value();
    run("DROP SCHEMA IF EXISTS reference CASCADE");
    run("CREATE SCHEMA reference");
  }
  void run(const std::string& sql) { server_->query(sql).value(); }

  base::Result<std::unique_ptr<Lookup>> open(const std::string& table, const std::string& query,
                                             OriginLimits limits = {}) {
    config::Lookup lookup{.name = "c", .from = config::LookupPostgres{url_, table, query}};
    lookup.key = "id";
    lookup.refresh = 5min;
    return Lookup::open({.lookup = lookup, .key_type = "VARCHAR", .limits = limits},
                        make_postgres_origin(lookup, disk_, folder_.path()), *loader_, clock_,
                        {log_, metrics_});
  }

  os::TestFolder folder_;
  os::RealDisk disk_;
  base::FixedClock clock_{base::Time{}};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::unique_ptr<sql::Instance> loader_ =
      sql::Instance::open({.memory_bytes_max = 128 << 20}).value();
  std::string url_;
  std::unique_ptr<postgres::Connection> server_;
};

TEST_F(PostgresOriginTest, KeepsTheTypesOfATable) {
  run("CREATE TABLE reference.customers (id text PRIMARY KEY, n numeric(12,2), big bigint, f "
      "float8, "
      "b bool, d date, ts timestamptz, j jsonb, note text)");
  run(R"(INSERT INTO reference.customers VALUES ('c1', 1.50, 9007199254740993, 0.1, true,
      '2026-11-20', '2026-11-20T12:00:00+01', '{"a": "x\ny"}', E'it''s\n\\ "here"\t'),
      ('c2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, ''))");
  auto lookup = open("reference.customers", "");
  ASSERT_TRUE(lookup) << lookup.error().text();
  EXPECT_EQ((*lookup)->index()->row_count(), 2U);
  EXPECT_EQ((*lookup)->index()->struct_type().text(),
            "STRUCT(\"id\" VARCHAR, \"n\" DECIMAL(12,2), \"big\" BIGINT, \"f\" DOUBLE, \"b\" "
            "BOOLEAN, \"d\" DATE, \"ts\" TIMESTAMP WITH TIME ZONE, \"j\" JSON, \"note\" VARCHAR)");
}

TEST_F(PostgresOriginTest, IsReadAgainWhenItChangedAndKeptWhenItCannotBeRead) {
  run("CREATE TABLE reference.customers (id text, segment text)");
  run("INSERT INTO reference.customers VALUES ('c1', 'gold')");
  auto lookup = open("", "SELECT id, segment FROM reference.customers").value();
  const auto first = lookup->index();
  clock_.advance(6min);
  lookup->refresh();
  EXPECT_EQ(lookup->index(), first) << "nothing changed";
  run("INSERT INTO reference.customers VALUES ('c2', 'silver')");
  clock_.advance(6min);
  lookup->refresh();
  EXPECT_EQ(lookup->index()->row_count(), 2U);
  run("DROP TABLE reference.customers");
  clock_.advance(6min);
  lookup->refresh();
  EXPECT_EQ(lookup->index()->row_count(), 2U);
  EXPECT_THAT(lookup->last_error(), HasSubstr("\"reference.customers\" does not exist"));
}

TEST_F(PostgresOriginTest, SaysWhatIsWrong) {
  run("CREATE TABLE reference.customers (id text, name text)");
  run("INSERT INTO reference.customers SELECT n, repeat('x', 1000) FROM generate_series(1, 3000) "
      "n");
  EXPECT_EQ(open("reference.nothing", "").error().code, Code::NotFound);
  EXPECT_EQ(open("", "SELECT nothing FROM reference.customers").error().code, Code::Invalid);
  EXPECT_EQ(open("reference.customers", "", {.file_bytes_max = 1'000'000}).error().code,
            Code::Exhausted);
  EXPECT_THAT(open("", "SELECT name FROM reference.customers").error().text(), HasSubstr("'id'"));
}

}  // namespace
}  // namespace millrace::lookup
