#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.hpp"
#include "lake/data_file.hpp"
#include "serve/report_results.hpp"
#include "serve/test_api.hpp"

namespace millrace::serve {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

constexpr const char* kOrders =
    "SELECT 'o' || i AS order_id, 'c' || (i % 3) AS customer_id, (i + 0.25)::DECIMAL(12,2) AS "
    "amount, DATE '2026-11-20' + (i % 2)::INTEGER AS day FROM range(10) t(i)";
constexpr const char* kTop = "/v1/reports/top_customers";

Json rows_of(const http::Response& answer) {
  EXPECT_EQ(answer.status, 200) << answer.body;
  return Json::parse(answer.body)["rows"];
}

// How many answers came about that way.
int count_of(TestApi& api, const std::string& how) {
  const auto text = api.metrics.exposition();
  const auto name = "millrace_report_answers_total{how=\"" + how + "\"} ";
  const auto at = text.find(name);
  return at == std::string::npos ? 0 : std::stoi(text.substr(at + name.size()));
}

void commit_row(TestApi& api, const std::string& customer) {
  const auto adds =
      lake::write_data_files(*api.connection, *api.orders,
                             "(SELECT 'x' AS order_id, '" + customer +
                                 "' AS customer_id, 99::DECIMAL(12,2) AS amount, DATE "
                                 "'2026-11-20' AS day)")
          .value();
  ASSERT_TRUE(api.orders->commit({.adds = adds}));
  api.board.publish();
}

TEST(ReportAnswers, ComeFromMemoryUntilARowComes) {
  TestApi api;
  api.add_hot("checked_orders", kOrders);
  const auto first = api.get(kTop);
  const auto second = api.get(kTop);
  EXPECT_EQ(rows_of(second), rows_of(first));
  EXPECT_EQ(count_of(api, "computed"), 1);
  EXPECT_EQ(count_of(api, "memory"), 1);
  EXPECT_EQ(second.headers.value("Age"), "");
  EXPECT_EQ(Json::parse(second.body)["chart"], Json::parse(first.body)["chart"]);
  // Other parameters are another question.
  EXPECT_EQ(rows_of(api.get(std::string(kTop) + "?limit=1")).size(), 1U);
  EXPECT_EQ(count_of(api, "computed"), 2);
  api.add_hot("checked_orders",
              "SELECT 'x' AS order_id, 'hot' AS customer_id, 98::DECIMAL(12,2) AS amount, DATE "
              "'2026-11-20' AS day");
  EXPECT_EQ(rows_of(api.get(kTop))[0][0], "hot");
  EXPECT_EQ(count_of(api, "computed"), 3);
  commit_row(api, "committed");
  EXPECT_EQ(rows_of(api.get(kTop))[0][0], "committed");
  EXPECT_EQ(count_of(api, "computed"), 4);
  // What changes no rows of it changes nothing.
  api.board.publish();
  EXPECT_EQ(rows_of(api.get(kTop))[0][0], "committed");
  EXPECT_EQ(count_of(api, "computed"), 4);
}

std::string order_of(int day, int cents) {
  return "SELECT 'x' AS order_id, 'c' AS customer_id, (" + std::to_string(cents) +
         " / 100)::DECIMAL(12,2) AS amount, DATE '2026-11-20' + " + std::to_string(day) + " AS day";
}

TEST(ReportAnswers, OfADayAreNotComputedAnewForAnotherDay) {
  TestApi api;
  api.add_hot("checked_orders", order_of(0, 150));
  const std::string report = "/v1/reports/of_a_day";
  EXPECT_EQ(rows_of(api.get(report)), Json::parse("[[1,1.5]]"));
  api.add_hot("checked_orders", order_of(1, 100));
  EXPECT_EQ(rows_of(api.get(report)), Json::parse("[[1,1.5]]"));
  const auto adds =
      lake::write_data_files(*api.connection, *api.orders, "(" + order_of(2, 300) + ")").value();
  ASSERT_TRUE(api.orders->commit({.adds = adds}));
  api.board.publish();
  const auto answer = api.get(report);
  EXPECT_EQ(rows_of(answer), Json::parse("[[1,1.5]]"));
  EXPECT_EQ(Json::parse(answer.body)["versions"]["checked_orders"],
            api.orders->snapshot()->version.value());
  EXPECT_EQ(count_of(api, "computed"), 1);
  EXPECT_EQ(count_of(api, "memory"), 2);
  EXPECT_EQ(rows_of(api.get(report + "?day=2026-11-22")), Json::parse("[[1,3.0]]"));
}

TEST(ReportAnswers, OfADayHaveANewColumn) {
  TestApi api;
  commit_row(api, "c1");
  EXPECT_EQ(rows_of(api.get("/v1/reports/whole_rows"))[0].size(), 4U);
  auto wider = api.orders->snapshot()->metadata->schema;
  wider.push_back({"note", sql::Type(DUCKDB_TYPE_VARCHAR)});
  ASSERT_TRUE(lake::Table::open_or_create(api.orders->root(), wider, {"day"}, api.tools()));
  ASSERT_TRUE(api.orders->refresh());
  api.board.publish();
  EXPECT_EQ(rows_of(api.get("/v1/reports/whole_rows"))[0].size(), 5U);
}

// Whatever comes, is committed, rewritten or goes: what a report says is what a query says.
TEST(ReportAnswers, OfPartitionsAreThoseOfAQueryWhateverHappens) {
  TestApi api;
  base::Random random(11);
  std::vector<std::string> hot;
  const auto commit = [&](const lake::Transaction& change) {
    ASSERT_TRUE(api.orders->commit(change));
    api.board.publish();
  };
  for (int step = 0; step < 150; ++step) {
    const auto order =
        order_of(static_cast<int>(random.below(4)), static_cast<int>(random.below(3)));
    const auto what = random.below(5);
    if (what < 2) api.add_hot("checked_orders", hot.emplace_back(order));
    if (what == 2 || (what == 3 && !hot.empty())) {
      std::string rows = "(" + order + ")";
      if (what == 3) rows = "(" + base::join(hot, " UNION ALL ") + ")";  // the hot rows themselves
      if (what == 3) api.board.drop_generations("checked_orders");
      if (what == 3) hot.clear();
      commit({.adds = lake::write_data_files(*api.connection, *api.orders, rows).value()});
    }
    if (what == 4 && !api.orders->snapshot()->files.empty()) {
      const auto& file = *api.orders->snapshot()->files.begin()->second;
      commit({.removes = {{.path = file.path, .partition_values = file.partition_values}}});
    }
    const auto day = "2026-11-2" + std::to_string(random.below(5));
    const auto asked = [&](const std::string& sql) { return rows_of(api.ask(sql)); };
    ASSERT_EQ(rows_of(api.get("/v1/reports/of_a_day?day=" + day)),
              asked("SELECT count(*), sum(amount) FROM checked_orders WHERE day = '" + day + "'"))
        << step;
    ASSERT_EQ(rows_of(api.get("/v1/reports/since?day=" + day)),
              asked("SELECT day, count(*) FROM checked_orders WHERE day >= '" + day +
                    "' GROUP BY ALL ORDER BY ALL"))
        << step;
  }
  EXPECT_GT(count_of(api, "memory"), 30);
  EXPECT_GT(count_of(api, "computed"), 30);
}

TEST(ReportAnswers, AreNewWhenAJobHasWrittenAPartition) {
  TestApi api;
  commit_row(api, "c1");
  EXPECT_EQ(rows_of(api.get("/v1/reports/days")), Json::parse("[[0]]"));
  EXPECT_EQ(rows_of(api.get("/v1/reports/days")), Json::parse("[[0]]"));
  EXPECT_EQ(count_of(api, "memory"), 1);
  const auto ran =
      Json::parse(api.post("/v1/jobs/daily_sales/runs", R"({"partition":"2026-11-20"})").body);
  ASSERT_EQ(ran["runs"][0]["status"], "succeeded") << ran;
  EXPECT_EQ(rows_of(api.get("/v1/reports/days")), Json::parse("[[1]]"));
}

// What a query says that is computed anew, in each format and for each number of rows.
TEST(ReportAnswers, InEachFormatAreThoseOfOneResult) {
  TestApi api;
  api.add_hot("checked_orders", kOrders);
  auto sql = api.pipeline.report("all")->sql.text;
  std::ranges::replace(sql, '\n', ' ');
  rows_of(api.get("/v1/reports/all"));
  for (const std::string format : {"csv", "ndjson", "arrow", "json"}) {
    for (const std::string rows : {"3", "100000", "2050", "0"}) {
      const auto asked = api.ask(sql, R"(,"format":")" + format + R"(","rows_max":)" + rows);
      const auto given = api.get("/v1/reports/all?format=" + format + "&rows_max=" + rows);
      EXPECT_EQ(given.status, 200);
      EXPECT_EQ(given.headers.value("Content-Type"), asked.headers.value("Content-Type"));
      const auto without_time = [](const std::string& body) {
        return body.substr(0, body.find(R"("elapsed_ms")"));
      };
      EXPECT_EQ(asked.status, 200);
      EXPECT_TRUE(without_time(given.body) == without_time(asked.body)) << format << " " << rows;
    }
  }
  EXPECT_EQ(count_of(api, "computed"), 1);
  EXPECT_EQ(count_of(api, "memory"), 16);
}

TEST(ReportAnswers, MayBeOlderIfTheReportSaysSo) {
  TestApi api;
  api.add_hot("checked_orders", kOrders);
  EXPECT_EQ(rows_of(api.get("/v1/reports/live")), Json::parse("[[10]]"));
  EXPECT_EQ(rows_of(api.get("/v1/reports/soon")), Json::parse("[[10]]"));
  api.add_hot("checked_orders", kOrders);
  const auto older = api.get("/v1/reports/live");
  EXPECT_EQ(rows_of(older), Json::parse("[[10]]"));
  EXPECT_NE(older.headers.value("Age"), "");
  while (rows_of(api.get("/v1/reports/soon")) != Json::parse("[[20]]")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Who asks again and again never waits for rows that are computed because the others are too old.
TEST(ReportAnswers, ThatSoonAreTooOldAreComputedAhead) {
  TestApi api;
  bool came_ahead = false;
  for (int round = 1; round <= 20 && !came_ahead; ++round) {
    api.add_hot("checked_orders", kOrders);
    const auto wanted = Json::parse("[[" + std::to_string(10 * round) + "]]");
    int before = 0;
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      before = count_of(api, "computed");
    } while (rows_of(api.get("/v1/reports/second")) != wanted);
    came_ahead = round > 1 && count_of(api, "computed") == before;
  }
  EXPECT_TRUE(came_ahead);
}

TEST(ReportAnswers, ThatAreComputedAheadEndWithTheApi) {
  TestApi api;
  const std::string report = "/v1/reports/none_or_endless";
  api.add_hot("checked_orders", order_of(0, 150));
  EXPECT_EQ(rows_of(api.get(report)), Json::parse("[[0]]"));
  api.add_hot("checked_orders", order_of(0, 150));
  api.clock.pass_over(std::chrono::minutes(59));
  EXPECT_EQ(rows_of(api.get(report)), Json::parse("[[0]]"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // it has begun by now, mostly
  auto ended = std::async(std::launch::async, [&] { api.api.reset(); });
  ASSERT_EQ(ended.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(ReportAnswers, AreComputedEachTimeIfTheyDependOnMoreThanTables) {
  TestApi api;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(api.get("/v1/reports/clock").status, 200);
  EXPECT_EQ(count_of(api, "memory"), 0);
}

// The one thread for queries is busy with an answer that nobody reads, until its client goes.
class BusyApi {
 public:
  explicit BusyApi(ApiOptions options = {})
      : api([&] {
          options.query_threads = 1;
          return options;
        }()) {
    api.add_hot("checked_orders", kOrders);
    busy = api.start("SELECT count(*) FROM range(1000000000000) t(i) WHERE i % 7 = 3");
  }
  void be_free() { busy->disconnect(); }

  TestApi api;
  std::shared_ptr<TestSink> busy;
};

TEST(ReportAnswers, ForEqualQuestionsAtOneTimeAreComputedOnce) {
  BusyApi one;
  std::vector<std::shared_ptr<TestSink>> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(one.api.send({.target = kTop}));
  answers.push_back(one.api.send({.target = std::string(kTop) + "?format=ndjson"}));
  one.be_free();
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(rows_of(answers[i]->wait()).size(), 2U);
  EXPECT_THAT(answers[20]->wait().body, HasSubstr("{\"customer_id\":\"c0\""));
  EXPECT_EQ(count_of(one.api, "computed"), 1);
  EXPECT_EQ(count_of(one.api, "shared"), 20);
}

TEST(ReportAnswers, WhoseTimeIsUpLeaveTheOthersWaiting) {
  BusyApi one;
  const auto patient = one.api.send({.target = kTop});
  const auto hasty = one.api.send({.target = std::string(kTop) + "?timeout=1ms"});
  EXPECT_EQ(hasty->wait().status, 408);
  one.be_free();
  EXPECT_EQ(rows_of(patient->wait()).size(), 2U);
  // All gone before it began: nothing is computed.
  BusyApi other;
  EXPECT_EQ(other.api.send({.target = std::string(kTop) + "?timeout=1ms"})->wait().status, 408);
  other.be_free();
  EXPECT_EQ(rows_of(other.api.get(std::string(kTop) + "?limit=1")).size(), 1U);
  EXPECT_EQ(count_of(other.api, "computed"), 1);
}

TEST(ReportAnswers, AreRefusedIfTooManyQueriesWait) {
  BusyApi full({.query_queue_max = 1});
  std::vector<std::shared_ptr<TestSink>> answers;
  for (const char* limit : {"1", "3", "4"}) {
    answers.push_back(full.api.send({.target = std::string(kTop) + "?limit=" + limit}));
  }
  full.be_free();
  // One waits at most; which one depends on when the thread looks.
  int refused = 0;
  for (const auto& answer : answers) refused += answer->wait().status == 503 ? 1 : 0;
  EXPECT_GE(refused, 2);
  full.busy->wait();
  EXPECT_EQ(full.api.get(std::string(kTop) + "?limit=5").status, 200);
}

TEST(ReportAnswers, ThatAreTooLargeToKeepAreSentAllTheSame) {
  TestApi api({.report_bytes_max = 1 << 17});
  for (int i = 0; i < 2; ++i) {
    const auto rows = rows_of(api.get("/v1/reports/large"));
    EXPECT_EQ(rows.size(), 5000U);
  }
  EXPECT_EQ(count_of(api, "computed"), 0);
  EXPECT_EQ(count_of(api, "memory"), 0);
}

TEST(ReportAnswers, TellWhatIsWrong) {
  TestApi api;
  for (int i = 0; i < 2; ++i) {
    const auto answer = api.get("/v1/reports/failing");
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr("Could not convert"));
  }
  EXPECT_EQ(count_of(api, "memory"), 0);
}

std::shared_ptr<const ReportResult> result_of(std::uint64_t bytes) {
  auto result = std::make_shared<ReportResult>();
  result->bytes = bytes;
  return result;
}

TEST(ReportResults, ForgetsWhatWasAskedForLongestAgo) {
  ReportResults results(10'000);
  results.put("a", result_of(3'000));
  results.put("b", result_of(3'000));
  EXPECT_NE(results.find("a"), nullptr);
  results.put("c", result_of(3'000));
  EXPECT_EQ(results.find("b"), nullptr);
  EXPECT_NE(results.find("a"), nullptr);
  EXPECT_NE(results.find("c"), nullptr);
  EXPECT_LE(results.bytes(), 10'000U);
  results.put("a", result_of(100));
  EXPECT_EQ(results.count(), 2U);
  results.put("d", result_of(20'000));
  EXPECT_EQ(results.count(), 0U);
  EXPECT_EQ(results.bytes(), 0U);
}

}  // namespace
}  // namespace millrace::serve
