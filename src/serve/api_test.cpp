#include "serve/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "lake/data_file.hpp"
#include "serve/test_api.hpp"

namespace millrace::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

TEST(Api, DescribesExactlyTheRoutesThatItHas) {
  TestApi api;
  const auto document = Json::parse(openapi_document());
  std::set<std::string> described, served;
  for (const auto& path : document["paths"].items()) {
    for (const auto& operation : path.value().items()) {
      std::string method = operation.key();
      std::ranges::transform(method, method.begin(), ::toupper);
      described.insert(method + " " + path.key());
    }
  }
  for (const auto& route : api.api->routes()) served.insert(route.method + " " + route.pattern);
  EXPECT_EQ(described, served);
  EXPECT_EQ(Json::parse(api.get("/openapi.json").body), document);
}

TEST(Api, RefersOnlyToWhatTheDocumentHas) {
  const auto document = Json::parse(openapi_document());
  const std::function<void(const Json&)> check = [&](const Json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const std::string to = node["$ref"];
      EXPECT_TRUE(document.contains(Json::json_pointer(to.substr(1)))) << to;
    }
    if (node.is_structured()) {
      for (const auto& child : node) check(child);
    }
  };
  check(document);
}

TEST(Api, RefusesPostsThatAreNotSaidToBeJson) {
  TestApi api;
  for (const auto& route : api.api->routes()) {
    if (route.method != "POST" || route.pattern == "/") continue;  // that one has AWS' types
    std::string target = route.pattern;
    for (const char* name : {"{stream}", "{table}", "{job}"}) {
      if (const auto at = target.find(name); at != target.npos) {
        target.replace(at, std::string(name).size(),
                       std::string(name) == "{stream}"  ? "orders"
                       : std::string(name) == "{table}" ? "checked_orders"
                                                        : "daily_sales");
      }
    }
    EXPECT_EQ(api.post(target, "{}", "text/plain").status, 415) << target;
    EXPECT_EQ(api.post(target, "a=1", "application/x-www-form-urlencoded").status, 415) << target;
    EXPECT_EQ(api.post(target, "", "multipart/form-data").status, 415) << target;
  }
}

TEST(Api, ShowsTablesWithTheirHotRows) {
  TestApi api;
  api.table_status = {{.name = "checked_orders",
                       .source = "orders",
                       .hot_rows = 3,
                       .hot_bytes = 100,
                       .positions = {{base::ShardId(1), "millrace/shop/x", 9, 4}},
                       .lag_records = 7,
                       .halted = "expectation 'x'"}};
  const auto tables = Json::parse(api.get("/v1/tables").body)["tables"];
  std::set<std::string> names;
  for (const auto& table : tables) names.insert(table["name"].get<std::string>());
  EXPECT_THAT(names, ElementsAre("_checks", "_rejects", "_runs", "checked_orders", "daily_sales"));
  const auto table = Json::parse(api.get("/v1/tables/checked_orders").body);
  EXPECT_EQ(table["version"], 0);
  EXPECT_EQ(table["rows"], 0);
  EXPECT_EQ(table["hot_rows"], 3);
  EXPECT_EQ(table["lag_records"], 7);
  EXPECT_EQ(table["positions"],
            Json::parse(R"([{"shard":1,"app_id":"millrace/shop/x","next":9,"committed":4}])"));
  EXPECT_EQ(table["halted"], "expectation 'x'");
  EXPECT_EQ(table["partition_columns"], Json::parse(R"(["day"])"));
  EXPECT_EQ(table["columns"][2], Json::parse(R"x({"name":"amount","type":"DECIMAL(12,2)"})x"));
  const auto missing = api.get("/v1/tables/checked_order");
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.body, HasSubstr("did you mean 'checked_orders'?"));
}

// Commits `count` files of one row each.
void commit_rows(TestApi& api, int count) {
  for (int i = 0; i < count; ++i) {
    const auto adds =
        lake::write_data_files(*api.connection, *api.orders,
                               "(SELECT 'o" + std::to_string(i) +
                                   "' AS order_id, 'c' AS customer_id, 1::DECIMAL(12,2) AS amount, "
                                   "DATE '2026-11-20' AS day)")
            .value();
    ASSERT_TRUE(api.orders->commit({.adds = adds}));
  }
  api.board.publish();
}

TEST(Api, ShowsATablesHistory) {
  TestApi api;
  commit_rows(api, 3);
  const auto history =
      Json::parse(api.get("/v1/tables/checked_orders/history?limit=2").body)["history"];
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0]["version"], 3);
  EXPECT_EQ(history[0]["operation"], "WRITE");
  EXPECT_EQ(api.get("/v1/tables/checked_orders/history?limit=0").status, 400);
  EXPECT_THAT(api.get("/v1/tables/checked_orders/history?limt=1").body,
              HasSubstr("did you mean 'limit'"));
}

TEST(Api, CompactsAndVacuumsATable) {
  TestApi api;
  commit_rows(api, 5);
  const auto compacted = Json::parse(api.post("/v1/tables/checked_orders/compact", "{}").body);
  EXPECT_EQ(compacted["files_before"], 5);
  EXPECT_EQ(compacted["files_after"], 1);
  EXPECT_THAT(api.ask("SELECT count(*) FROM checked_orders").body, HasSubstr("[[5]]"));
  EXPECT_THAT(api.ask("SELECT count(*) FROM checked_orders").body,
              HasSubstr(R"("versions":{"checked_orders":6})"));
  const auto vacuumed =
      Json::parse(api.post("/v1/tables/checked_orders/vacuum", R"({"dry_run":true})").body);
  EXPECT_EQ(vacuumed["files"], 0);
  EXPECT_EQ(vacuumed["dry_run"], true);
  const auto refused = api.post("/v1/tables/checked_orders/vacuum", R"({"retention":"1s"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("at least 1h"));
  EXPECT_EQ(api.post("/v1/tables/nosuch/compact", "{}").status, 404);
}

TEST(Api, RunsAJobAndShowsItsRuns) {
  TestApi api;
  commit_rows(api, 4);
  const auto ran =
      Json::parse(api.post("/v1/jobs/daily_sales/runs", R"({"partition":"2026-11-20"})").body);
  ASSERT_EQ(ran["runs"].size(), 1U) << ran;
  EXPECT_EQ(ran["runs"][0]["status"], "succeeded") << ran;
  EXPECT_EQ(ran["runs"][0]["partition"], "2026-11-20");
  EXPECT_EQ(ran["runs"][0]["rows"], 1);
  EXPECT_THAT(api.ask("SELECT total FROM daily_sales").body, HasSubstr("[[4.00]]"));
  const auto runs = Json::parse(api.get("/v1/runs?job=daily_sales").body)["runs"];
  EXPECT_EQ(runs.size(), 1U);
  const auto jobs = Json::parse(api.get("/v1/jobs").body)["jobs"];
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs[0]["name"], "daily_sales");
  EXPECT_EQ(jobs[0]["partitions"][0]["state"], "fresh");
  EXPECT_EQ(jobs[0]["last_run"]["status"], "succeeded");
}

TEST(Api, ShowsAsManyPartitionsOfAJobAsAreAskedFor) {
  TestApi api;
  commit_rows(api, 1);
  ASSERT_EQ(api.post("/v1/jobs/daily_sales/runs", "{}").status, 200);
  const auto shown = [&](const std::string& query) {
    const auto answer = Json::parse(api.get("/v1/jobs" + query).body);
    return answer["jobs"][0]["partitions"].size();
  };
  EXPECT_EQ(shown("?job=daily_sales&partitions=20000"), shown(""));
  EXPECT_EQ(shown("?partitions=1"), 1U);
  EXPECT_EQ(api.get("/v1/jobs?partitions=0").status, 400);
  const auto missing = api.get("/v1/jobs?job=daily_sale");
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.body, HasSubstr("daily_sales"));
}

TEST(Api, BackfillsARangeOfPartitions) {
  TestApi api;
  commit_rows(api, 1);
  const auto planned =
      Json::parse(api.post("/v1/jobs/daily_sales/backfill",
                           R"({"from":"2026-11-20","to":"2026-11-21","dry_run":true})")
                      .body)["runs"];
  ASSERT_GE(planned.size(), 1U);
  EXPECT_EQ(planned[0]["status"], "planned");
  EXPECT_EQ(planned[0]["started_at"], nullptr);
  const auto missing = api.post("/v1/jobs/daily_sales/backfill", R"({"from":"2026-11-20"})");
  EXPECT_EQ(missing.status, 400);
  EXPECT_THAT(missing.body, HasSubstr("'to' is missing"));
}

TEST(Api, NamesTheNearestJob) {
  TestApi api;
  for (const auto& answer :
       {api.post("/v1/jobs/daily_sale/runs", "{}"), api.get("/v1/runs?job=daily_sale")}) {
    EXPECT_EQ(answer.status, 404);
    EXPECT_THAT(answer.body, HasSubstr("did you mean 'daily_sales'?"));
  }
  EXPECT_EQ(api.post("/v1/jobs/daily_sales/runs", R"({"partition":"yesterday"})").status, 400);
}

TEST(Api, ShowsStreamsAndLookups) {
  TestApi api;
  api.post("/v1/streams/payments/records", "payment_id\np1\n", "text/csv");
  const auto streams = Json::parse(api.get("/v1/streams").body)["streams"];
  ASSERT_EQ(streams.size(), 3U);
  EXPECT_EQ(streams[2]["name"], "payments");
  EXPECT_EQ(streams[2]["shards"][0]["end"], 1);
  EXPECT_EQ(streams[2]["is_full"], false);
  api.lookups = {{.name = "customers", .rows = 5, .loaded_at = api.clock.now()}};
  const auto lookups = Json::parse(api.get("/v1/lookups").body)["lookups"];
  EXPECT_EQ(lookups[0]["rows"], 5);
  EXPECT_EQ(lookups[0]["last_error"], nullptr);
}

TEST(Api, SaysWhetherItIsUpAndReady) {
  TestApi api;
  EXPECT_EQ(api.get("/healthz").body, "{\"status\":\"ok\"}\n");
  EXPECT_EQ(api.get("/readyz").status, 200);
  api.unready = {"the worker stopped"};
  const auto answer = api.get("/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Json::parse(answer.body)["reasons"][0], "the worker stopped");
}

TEST(Api, GivesMetrics) {
  TestApi api;
  api.ask("SELECT 1");
  const auto answer = api.get("/metrics");
  EXPECT_EQ(answer.headers.value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(answer.body, HasSubstr("millrace_queries_total{status=\"ok\"} 1"));
  EXPECT_THAT(answer.body, HasSubstr("process_resident_memory_bytes"));
}

}  // namespace
}  // namespace millrace::serve
