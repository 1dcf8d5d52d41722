#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "serve/test_api.hpp"

namespace millrace::serve {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Json = nlohmann::json;

constexpr const char* kOrders =
    "SELECT 'o' || i AS order_id, 'c' || (i % 3) AS customer_id, (i + 0.25)::DECIMAL(12,2) AS "
    "amount, DATE '2026-11-20' + (i % 2)::INTEGER AS day FROM range(10) t(i)";

std::string message_of(const http::Response& answer) {
  return Json::parse(answer.body)["error"]["message"];
}

TEST(Query, AnswersWithColumnsRowsAndVersions) {
  TestApi api;
  api.add_hot("checked_orders", kOrders);
  const auto answer = api.ask("SELECT count(*) AS n, sum(amount) AS s FROM checked_orders");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.headers.value("Content-Type"), "application/json");
  EXPECT_THAT(answer.body,
              StartsWith(R"({"columns":[{"name":"n","type":"BIGINT"},)"
                         R"x({"name":"s","type":"DECIMAL(38,2)"}],"rows":[[10,47.50]],)x"
                         R"("row_count":1,"is_truncated":false,)"
                         R"("versions":{"checked_orders":0},"elapsed_ms":)"));
}

TEST(Query, KeepsDecimalsIntegersAndTimesExact) {
  TestApi api;
  const auto answer = api.ask(
      "SELECT 9223372036854775807, 123456789012345678901234.5678::DECIMAL(38,4), "
      "TIMESTAMPTZ '2026-11-20 12:00:00.5+01', DATE '2026-11-20', NULL, 'é'");
  EXPECT_THAT(answer.body, HasSubstr(R"([[9223372036854775807,123456789012345678901234.5678,)"
                                     R"("2026-11-20T11:00:00.500000Z","2026-11-20",null,"é"]])"));
}

TEST(Query, BindsParametersOfEachKind) {
  TestApi api;
  api.add_hot("checked_orders", kOrders);
  const auto answer = api.ask(
      "SELECT count(*) FROM checked_orders WHERE day = $day AND amount > $amount AND "
      "customer_id <> $customer AND $flag AND $nothing IS NULL",
      R"(,"parameters":{"day":"2026-11-21","amount":0.5,"customer":"c0","flag":true,)"
      R"("nothing":null})");
  EXPECT_THAT(answer.body, HasSubstr(R"("rows":[[3]])")) << answer.body;
}

TEST(Query, RefusesWrongParameters) {
  TestApi api;
  EXPECT_THAT(message_of(api.ask("SELECT $a")), HasSubstr("'$a' has no value"));
  EXPECT_THAT(message_of(api.ask("SELECT $limit", R"(,"parameters":{"limt":1})")),
              HasSubstr("did you mean 'limit'"));
  EXPECT_THAT(message_of(api.ask("SELECT $a", R"(,"parameters":{"a":[1]})")),
              HasSubstr("a number, a text, a boolean or null"));
}

TEST(Query, WritesOneObjectALineOrCsv) {
  TestApi api;
  const std::string sql = "SELECT 1 AS a, 'x,\\\"y' AS b UNION ALL SELECT 2, NULL";
  const auto lines = api.ask(sql, R"(,"format":"ndjson")");
  EXPECT_EQ(lines.body, "{\"a\":1,\"b\":\"x,\\\"y\"}\n{\"a\":2,\"b\":null}\n");
  EXPECT_EQ(lines.headers.value("Content-Type"), "application/x-ndjson");
  const auto csv = api.start(sql, "", {{"Accept", "text/html, text/csv;q=0.9"}})->wait();
  EXPECT_EQ(csv.body, "a,b\n1,\"x,\"\"y\"\n2,\n");
  EXPECT_THAT(std::string(csv.headers.value("Content-Type")), StartsWith("text/csv"));
}

TEST(Query, RefusesFormatsThatThereAreNot) {
  TestApi api;
  EXPECT_EQ(api.ask("SELECT 1", R"(,"format":"xml")").status, 400);
  EXPECT_EQ(api.start("SELECT 1", "", {{"Accept", "image/png"}})->wait().status, 406);
}

TEST(Query, CutsAtTheNumberOfRowsAndSaysSo) {
  TestApi api;
  const auto cut = Json::parse(api.ask("SELECT * FROM range(5)", R"(,"rows_max":3)").body);
  EXPECT_EQ(cut["row_count"], 3);
  EXPECT_EQ(cut["rows"].size(), 3U);
  EXPECT_EQ(cut["is_truncated"], true);
  const auto whole = Json::parse(api.ask("SELECT * FROM range(3)", R"(,"rows_max":3)").body);
  EXPECT_EQ(whole["is_truncated"], false);
  const auto usual = Json::parse(api.ask("SELECT * FROM range(20000)").body);
  EXPECT_EQ(usual["row_count"], 10'000);
  EXPECT_EQ(usual["is_truncated"], true);
  const auto csv = api.ask("SELECT * FROM range(20000)", R"(,"format":"csv")").body;
  EXPECT_EQ(std::ranges::count(csv, '\n'), 20'001);
}

TEST(Query, CutsAtTheNumberOfBytesAndSaysSo) {
  TestApi api({.answer_bytes_max = 1000});
  const auto answer = Json::parse(api.ask("SELECT repeat('x', 100) FROM range(1000)").body);
  EXPECT_EQ(answer["is_truncated"], true);
  EXPECT_GT(answer["row_count"], 5);
  EXPECT_LT(answer["row_count"], 12);
}

TEST(Query, StreamsLargeAnswers) {
  TestApi api;
  const auto sink = api.start("SELECT * FROM range(300000)", R"(,"format":"ndjson")");
  const auto& answer = sink->wait();
  EXPECT_TRUE(sink->was_streamed());
  EXPECT_FALSE(sink->was_aborted());
  EXPECT_EQ(std::ranges::count(answer.body, '\n'), 300'000);
}

TEST(Query, BreaksOffAnAnswerThatFailsInItsMiddle) {
  TestApi api;
  const auto sink = api.start(
      "SELECT CASE WHEN i > 290000 THEN error('late') ELSE i::VARCHAR END FROM range(300000) t(i)",
      R"(,"format":"ndjson")");
  sink->wait();
  EXPECT_TRUE(sink->was_streamed());
  EXPECT_TRUE(sink->was_aborted());
}

TEST(Query, RefusesAllButOneSelect) {
  TestApi api;
  for (const char* sql :
       {"CREATE TABLE t (a INTEGER)", "INSERT INTO checked_orders VALUES (1)",
        "DROP VIEW checked_orders", "COPY (SELECT 1) TO '/tmp/millrace-must-not-be.csv'",
        "ATTACH '/tmp/millrace-must-not-be.db'", "PRAGMA memory_limit='10GB'", "SET threads = 64",
        "INSTALL httpfs", "LOAD httpfs", "EXPORT DATABASE '/tmp/x'", "CALL pragma_version()",
        "SELECT 1; SELECT 2", "", "-- nothing"}) {
    const auto answer = api.ask(sql);
    EXPECT_EQ(answer.status, 400) << sql << " " << answer.body;
    EXPECT_EQ(Json::parse(answer.body)["error"]["code"], "invalid");
  }
}

TEST(Query, ReadsNoFilesOfTheMachine) {
  TestApi api;
  for (const char* sql :
       {"SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'", "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')"}) {
    const auto answer = api.ask(sql);
    EXPECT_THAT(answer.status, testing::AnyOf(400, 403)) << sql << answer.body;
    EXPECT_THAT(answer.body, testing::Not(HasSubstr("root:")));
  }
}

TEST(Query, SaysWhereTheSqlIsWrong) {
  TestApi api;
  const auto answer = api.ask("SELECT nosuch FROM checked_orders");
  EXPECT_EQ(answer.status, 400);
  const auto error = Json::parse(answer.body)["error"];
  EXPECT_EQ(error["place"], "byte 7");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("nosuch"));
  const auto table = api.ask("SELECT * FROM checked_order");
  EXPECT_EQ(table.status, 400);
  EXPECT_EQ(message_of(table), "no table is named 'checked_order'; did you mean 'checked_orders'?");
  EXPECT_EQ(
      message_of(api.ask("SELECT * FROM xyz")),
      "no table is named 'xyz'; there are _checks, _rejects, _runs, checked_orders, daily_sales");
}

TEST(Query, SaysThatABodyIsWrong) {
  TestApi api;
  const auto cut = api.post("/v1/query", R"({"sql":"SELECT 1")");
  EXPECT_EQ(cut.status, 400);
  EXPECT_EQ(Json::parse(cut.body)["error"]["place"], "byte 18");
  EXPECT_THAT(message_of(api.post("/v1/query", "{}")), HasSubstr("'sql' is missing"));
  EXPECT_THAT(message_of(api.post("/v1/query", "[1]")), HasSubstr("JSON object"));
  EXPECT_THAT(message_of(api.post("/v1/query", R"({"sql":1})")), HasSubstr("'sql' must be a text"));
  EXPECT_THAT(message_of(api.post("/v1/query", R"({"sq":"SELECT 1"})")),
              HasSubstr("did you mean 'sql'"));
  EXPECT_THAT(message_of(api.ask("SELECT 1", R"(,"rows_max":-1)")), HasSubstr("'rows_max' is -1"));
  EXPECT_THAT(message_of(api.ask("SELECT 1", R"(,"timeout":"1d")")), HasSubstr("at most 10m"));
  EXPECT_EQ(api.post("/v1/query", R"({"sql":"SELECT 1"})", "text/plain").status, 415);
  EXPECT_EQ(api.post("/v1/query", std::string(10'000, '[')).status, 400);
}

// Neither finishes in any reasonable time.
constexpr const char* kEndless =
    "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b";
constexpr const char* kEndlessRows =
    "SELECT a.range, b.range FROM range(10000000) a, range(10000000) b";

TEST(Query, StopsWhenItsTimeIsUp) {
  TestApi api;
  const auto answer = api.ask(kEndless, R"(,"timeout":"50ms")");
  EXPECT_EQ(answer.status, 408);
  EXPECT_THAT(message_of(answer), HasSubstr("took longer than 50ms"));
  EXPECT_THAT(api.metrics.exposition(), HasSubstr(R"(millrace_queries_total{status="timeout"} 1)"));
}

TEST(Query, BreaksOffALongAnswerWhenItsTimeIsUp) {
  TestApi api;
  const auto sink = api.start(kEndlessRows, R"(,"timeout":"300ms","format":"csv")");
  const auto& answer = sink->wait();
  EXPECT_TRUE(sink->was_aborted() || answer.status == 408);
}

TEST(Query, StopsWhenTheClientGoesAway) {
  TestApi api;
  const auto sink = api.start(kEndless);
  sink->disconnect();
  EXPECT_EQ(sink->wait().status, 499);
}

TEST(Query, RefusesAtOnceWhenTooManyWait) {
  TestApi api({.query_threads = 1, .query_queue_max = 1});
  std::vector<std::shared_ptr<TestSink>> sinks;
  for (int i = 0; i < 3; ++i) sinks.push_back(api.start(kEndless));
  for (const auto& sink : sinks) sink->disconnect();
  // One runs and one waits at most; which ones depends on when the thread looks.
  int refused = 0;
  for (const auto& sink : sinks) {
    const auto& answer = sink->wait();
    refused += answer.status == 503 && answer.headers.value("Retry-After") == "1" ? 1 : 0;
  }
  EXPECT_GE(refused, 1);
}

TEST(Query, SaysWhichTypeCannotBeShown) {
  TestApi api;
  const auto answer = api.ask("SELECT 1::UNION(a INTEGER) AS u");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(message_of(answer), HasSubstr("cast it to VARCHAR"));
}

TEST(Report, RunsWithItsDefaultsAndWithWhatIsGiven) {
  TestApi api;
  api.add_hot("checked_orders", kOrders);
  const auto usual = Json::parse(api.get("/v1/reports/top_customers").body);
  EXPECT_EQ(usual["row_count"], 2);
  EXPECT_EQ(usual["chart"], Json::parse(R"({"bar":"total","by":"customer_id"})"));
  const auto one = api.get("/v1/reports/top_customers?limit=1&format=csv");
  EXPECT_EQ(one.body, "customer_id,total\nc0,19.00\n");
}

TEST(Report, RefusesWhatItDoesNotKnow) {
  TestApi api;
  EXPECT_EQ(api.get("/v1/reports/nosuch").status, 404);
  EXPECT_THAT(message_of(api.get("/v1/reports/top_customer")),
              HasSubstr("did you mean 'top_customers'"));
  EXPECT_THAT(message_of(api.get("/v1/reports/top_customers?limt=1")),
              HasSubstr("did you mean 'limit'"));
  EXPECT_EQ(api.get("/v1/reports/top_customers?limit=many").status, 400);
  EXPECT_EQ(api.get("/v1/reports/top_customers?timeout=0s").status, 400);
}

}  // namespace
}  // namespace millrace::serve
