#include "serve/rejects.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "serve/test_api.hpp"

namespace millrace::serve {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

constexpr const char* kIncarnation = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// A row of `_rejects` as SQL; `replay` and `outcome` are SQL, too.
std::string row(int offset, const std::string& reason, const std::string& raw,
                const std::string& at, const std::string& outcome = "NULL, NULL") {
  return "SELECT DATE '" + at.substr(0, 10) + "' AS day, TIMESTAMPTZ '" + at +
         "' AS rejected_at, 'checked_orders' AS \"table\", 'orders' AS source, '" + kIncarnation +
         "' AS incarnation, 1::INTEGER AS _shard, " + std::to_string(offset) +
         "::BIGINT AS _offset, TIMESTAMPTZ '2026-11-20 11:59:00+00' AS _received_at, 'c1' AS "
         "partition_key, 'decode' AS stage, '" +
         reason + "' AS reason, 'no JSON' AS detail, " + raw + "::BLOB AS raw, " + outcome +
         (offset == 7 ? ", '{\"tenant\":\"acme\"}'" : ", NULL");
}

void add_rejects(TestApi& api) {
  api.add_hot("_rejects",
              row(7, "malformed", "'{\"a\":'", "2026-11-20 12:00:00+00") + " UNION ALL " +
                  row(8, "malformed", "'\\xFF\\x00'", "2026-11-21 12:00:00+00") + " UNION ALL " +
                  row(9, "too_long", "repeat('x', 5000)", "2026-11-22 12:00:00+00") +
                  " UNION ALL " +
                  row(7, "malformed", "'{\"a\":'", "2026-11-23 12:00:00+00", "'1', 'rejected'") +
                  " UNION ALL " +
                  row(7, "malformed", "'{\"a\":'", "2026-11-23 12:00:00+00", "'2', 'accepted'"));
}

TEST(Rejects, AreListedNewestFirstWithTheirLatestOutcome) {
  TestApi api;
  add_rejects(api);
  const auto answer = api.get("/v1/rejects");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto rejects = Json::parse(answer.body)["rejects"];
  ASSERT_EQ(rejects.size(), 3U);
  EXPECT_EQ(rejects[0]["offset"], 9);
  EXPECT_EQ(rejects[0]["raw"], std::string(2000, 'x'));
  EXPECT_EQ(rejects[0]["raw_bytes"], 5000);
  EXPECT_EQ(rejects[0]["is_raw_cut"], true);
  EXPECT_EQ(rejects[1]["raw_base64"], "/wA=");
  EXPECT_FALSE(rejects[1].contains("raw"));
  EXPECT_EQ(rejects[1]["headers"], nullptr);
  EXPECT_EQ(rejects[2], Json::parse(R"({"id":"checked_orders/orders/3f2504e0/1/7",
      "table":"checked_orders","source":"orders",
      "incarnation":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","shard":1,"offset":7,
      "partition_key":"c1","received_at":"2026-11-20T11:59:00.000000Z",
      "rejected_at":"2026-11-20T12:00:00.000000Z","stage":"decode","reason":"malformed",
      "detail":"no JSON","replay":"2","outcome":"accepted",
      "headers":{"tenant":"acme"},"raw_bytes":5,"raw":"{\"a\":"})"));
}

TEST(Rejects, AreCountedByReason) {
  TestApi api;
  add_rejects(api);
  const auto counts = Json::parse(api.get("/v1/rejects?limit=0").body)["counts"];
  EXPECT_EQ(counts, Json::parse(R"([
      {"table":"checked_orders","stage":"decode","reason":"malformed","count":2},
      {"table":"checked_orders","stage":"decode","reason":"too_long","count":1}])"));
}

TEST(Rejects, AreFiltered) {
  TestApi api;
  add_rejects(api);
  const auto count = [&](const std::string& query) {
    return Json::parse(api.get("/v1/rejects?" + query).body)["rejects"].size();
  };
  EXPECT_EQ(count("reason=malformed"), 2U);
  EXPECT_EQ(count("reason=malformed&since=2026-11-21T00:00:00Z"), 1U);
  EXPECT_EQ(count("table=nosuch"), 0U);
  EXPECT_EQ(count("stage=decode&source=orders&limit=1"), 1U);
  EXPECT_EQ(api.get("/v1/rejects?since=yesterday").status, 400);
  EXPECT_EQ(api.get("/v1/rejects?limit=100000").status, 400);
  EXPECT_THAT(api.get("/v1/rejects?tabel=x").body, HasSubstr("did you mean 'table'"));
}

TEST(Rejects, AreShownWhole) {
  TestApi api;
  add_rejects(api);
  const auto answer = api.get("/v1/rejects/checked_orders%2Forders%2F3f2504e0%2F1%2F9");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Json::parse(answer.body)["raw"], std::string(5000, 'x'));
  EXPECT_EQ(api.get("/v1/rejects/checked_orders%2Forders%2F3f2504e0%2F1%2F10").status, 404);
  EXPECT_EQ(api.get("/v1/rejects/nonsense").status, 400);
  EXPECT_EQ(api.get("/v1/rejects/a%2Fb%2Fc%2Fd%2Fe").status, 400);
}

TEST(Rejects, AreReplayedAsChosen) {
  TestApi api;
  add_rejects(api);
  const auto answer = api.post(
      "/v1/rejects/replay",
      R"({"table":"checked_orders","since":"2026-11-20T00:00:00Z","include_duplicates":true})");
  EXPECT_EQ(answer.body, "{\"replays\":[\"1\"],\"records\":2}\n");
  ASSERT_EQ(api.replayed.size(), 1U);
  EXPECT_EQ(api.replayed[0].table, "checked_orders");
  EXPECT_EQ(api.replayed[0].reason, std::nullopt);
  EXPECT_EQ(api.replayed[0].since, base::parse_time("2026-11-20T00:00:00Z").value());
  EXPECT_TRUE(api.replayed[0].has_duplicates);
}

TEST(Rejects, AreReplayedById) {
  TestApi api;
  add_rejects(api);
  const auto answer =
      api.post("/v1/rejects/replay", R"({"ids":["checked_orders/orders/3f2504e0/1/8"]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  ASSERT_EQ(api.replayed[0].positions.size(), 1U);
  const auto& position = api.replayed[0].positions[0];
  EXPECT_EQ(position.incarnation, kIncarnation);
  EXPECT_EQ(position.shard, 1);
  EXPECT_EQ(position.offset, 8);
  EXPECT_EQ(api.post("/v1/rejects/replay", R"({"ids":["checked_orders/orders/0/1/8"]})").status,
            404);
  EXPECT_EQ(api.replayed.size(), 1U);
}

TEST(Rejects, IdsAreReadFromBothEnds) {
  const auto position = parse_reject_id("t/a/b/3f2504e0/1/9").value();
  EXPECT_EQ(position.table, "t");
  EXPECT_EQ(position.source, "a/b");
  EXPECT_EQ(position.incarnation, "3f2504e0");
  EXPECT_EQ(position.offset, 9);
  for (const char* wrong : {"", "t", "t/s/i/1", "t/s/i/x/1", "t/s/i/1/-1", "t/s/i/1/1x"}) {
    EXPECT_FALSE(parse_reject_id(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace millrace::serve
