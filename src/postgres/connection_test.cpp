#include "postgres/connection.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "postgres/binary_copy.hpp"
#include "postgres/test_server.hpp"

namespace millrace::postgres {
namespace {

using base::Code;

/// Tests against a real server; each in a schema of its own session.
class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto url = test_server();
    if (!url) GTEST_SKIP() << "MILLRACE_TEST_POSTGRES names no server";
    url_ = *url;
    auto opened = Connection::open({.url = url_}, stop_.get_token());
    ASSERT_TRUE(opened) << opened.error().text();
    connection_ = std::move(*opened);
  }
  std::string first(const std::string& sql) {
    const auto answer = connection_->query(sql);
    if (!answer) return answer.error().text();
    return answer->rows.empty() ? "" : answer->rows[0][0].value_or("NULL");
  }

  std::string url_;
  std::stop_source stop_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, AsksWithParameters) {
  const auto answer =
      connection_->query("SELECT $1::int + 1, $2::text, NULL", {"41", "it's"}).value();
  ASSERT_EQ(answer.rows.size(), 1U);
  EXPECT_EQ(answer.rows[0][0], "42");
  EXPECT_EQ(answer.rows[0][1], "it's");
  EXPECT_FALSE(answer.rows[0][2]);
}

TEST_F(ConnectionTest, SaysWhatIsWrongAndGoesOn) {
  const auto wrong = connection_->query("SELECT 1/0");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::Invalid);
  EXPECT_NE(wrong.error().message.find("22012"), std::string::npos) << wrong.error().text();
  EXPECT_EQ(connection_->query("SELECT * FROM no_such_table").error().code, Code::NotFound);
  EXPECT_EQ(first("SELECT 7"), "7");
}

TEST_F(ConnectionTest, CopiesRowsInBinary) {
  ASSERT_TRUE(connection_->query(
      "CREATE TEMP TABLE t (n numeric(38,4), b bool, s text, d date, ts timestamptz, f float8, "
      "r real, i smallint, j jsonb, y bytea)"));
  BinaryCopy rows;
  for (const bool is_null : {false, true}) {
    rows.row(10);
    for (int i = 0; is_null && i < 10; ++i) rows.null();
    if (is_null) continue;
    rows.numeric(-12345678, 4);
    rows.boolean(true);
    rows.bytes("gr\xc3\xbc\xc3\x9f");
    rows.date(20'000);
    rows.timestamp(1'700'000'000'123'456);
    rows.float8(0.1);
    rows.float4(-2.5F);
    rows.int2(-3);
    rows.jsonb(R"({"a": [1]})");
    rows.bytes(std::string_view("\0\1", 2));
  }
  rows.end();
  bool is_sent = false;
  const auto copied = connection_->copy_in(
      "COPY t FROM STDIN (FORMAT binary)", [&]() -> base::Result<std::string_view> {
        return std::exchange(is_sent, true) ? std::string_view() : rows.view();
      });
  ASSERT_TRUE(copied) << copied.error().text();
  EXPECT_EQ(*copied, 2);
  EXPECT_EQ(first("SET timezone = 'UTC'"), "");
  EXPECT_EQ(first("SELECT concat_ws('|', n, b, s, d, ts, f, r, i, j, y) FROM t WHERE b"),
            "-1234.5678|t|grüß|2024-10-04|2023-11-14 22:13:20.123456+00|0.1|-2.5|-3|"
            "{\"a\": [1]}|\\x0001");
  EXPECT_EQ(first("SELECT count(*) FROM t WHERE n IS NULL AND y IS NULL"), "1");
}

TEST_F(ConnectionTest, AnErrorOfTheRowsUndoesTheCopy) {
  ASSERT_TRUE(connection_->query("CREATE TEMP TABLE t (s text)"));
  int pieces = 0;
  const auto copied =
      connection_->copy_in("COPY t FROM STDIN", [&]() -> base::Result<std::string_view> {
        if (pieces++ == 0) return std::string_view("one\n");
        return base::Error{Code::Corrupt, "a damaged file"};
      });
  EXPECT_EQ(copied.error().code, Code::Corrupt);
  EXPECT_EQ(first("SELECT count(*) FROM t"), "0");
}

TEST_F(ConnectionTest, CopiesRowsOut) {
  std::string text;
  ASSERT_TRUE(connection_->copy_out("COPY (SELECT n, 'x' FROM generate_series(1, 3) n) TO STDOUT",
                                    [&](std::string_view row) -> base::Result<void> {
                                      text += row;
                                      return {};
                                    }));
  EXPECT_EQ(text, "1\tx\n2\tx\n3\tx\n");
  EXPECT_EQ(first("SELECT 1"), "1");
}

TEST_F(ConnectionTest, AStopEndsAStatementThatRuns) {
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop_.request_stop();
  });
  EXPECT_EQ(connection_->query("SELECT pg_sleep(60)").error().code, Code::Cancelled);
  EXPECT_EQ(connection_->query("SELECT 1").error().code, Code::Unavailable);
}

TEST_F(ConnectionTest, AConnectionThatIsEndedIsUnavailable) {
  auto other = Connection::open({.url = url_}).value();
  const auto pid = first("SELECT pg_backend_pid()");
  ASSERT_TRUE(other->query("SELECT pg_terminate_backend($1::int)", {pid}));
  EXPECT_EQ(connection_->query("SELECT 1").error().code, Code::Unavailable);
  EXPECT_EQ(connection_->query("SELECT 1").error().code, Code::Unavailable);
}

TEST_F(ConnectionTest, AWrongDatabaseIsNotFound) {
  auto url = url_;
  const auto slash = url.rfind('/');
  url = url.substr(0, slash) + "/no_such_database";
  EXPECT_EQ(Connection::open({.url = url}).error().code, Code::NotFound);
}

TEST(Connection, NobodyThereIsUnavailable) {
  const auto opened = Connection::open({.url = "postgres://ann:s3cret@127.0.0.1:1/shop"});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::Unavailable);
  EXPECT_EQ(opened.error().text().find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace millrace::postgres
