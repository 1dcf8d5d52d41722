#include "flow/unread.hpp"

#include <gtest/gtest.h>

#include "config/read.hpp"

namespace millrace::flow {
namespace {

constexpr const char* kPipeline = R"(
pipeline: shop
sources: {orders: {from: log, schema: {a: varchar}}}
tables:
  checked: {from: orders, sql: SELECT a FROM orders}
  flagged: {from: checked, sql: SELECT a FROM checked}
  other: {from: orders, sql: SELECT a FROM orders}
alerts: {fraud: {from: checked, send: {log: warn}}}
)";

class UnreadRows : public testing::Test {
 protected:
  UnreadRows()
      : pipeline(std::get<config::Pipeline>(config::parse_pipeline(kPipeline, "/p.yaml"))) {}

  // What nobody has read yet of `checked`, when the tables have these positions.
  Reached unread(const std::map<std::string, std::int64_t>& checked,
                 const std::map<std::string, std::int64_t>& flagged,
                 const std::map<std::string, std::int64_t>& alerts) {
    Cut cut;
    const auto add = [&](const char* table, const std::string& prefix,
                         const std::map<std::string, std::int64_t>& positions) {
      auto snapshot = std::make_shared<lake::Snapshot>();
      for (const auto& [rest, position] : positions) {
        snapshot->transactions[prefix + rest] = position;
      }
      cut.tables[table].snapshot = std::move(snapshot);
    };
    add("checked", "millrace/shop/checked/orders/", checked);
    add("flagged", "millrace/shop/flagged/orders/", flagged);
    add("_alerts", "millrace/shop/_alerts/fraud/log/checked/orders/", alerts);
    return unread_rows(pipeline, *pipeline.table("checked"), "now", cut);
  }

  config::Pipeline pipeline;
};

TEST_F(UnreadRows, BeginWhereTheSlowestReaderStands) {
  EXPECT_EQ(unread({{"now/0", 10}, {"now/1", 10}}, {{"now/0", 10}, {"now/1", 10}},
                   {{"now/0", 10}, {"now/1", 10}}),
            Reached());
  EXPECT_EQ(unread({{"now/0", 10}, {"now/1", 10}}, {{"now/0", 7}, {"now/1", 10}},
                   {{"now/0", 3}, {"now/1", 9}}),
            (Reached{{0, 3}, {1, 9}}));
}

TEST_F(UnreadRows, AreOfThisLifeAndOfReplays) {
  EXPECT_EQ(unread({{"old/0", 90}, {"now/0", 10}, {"replay-3/-3", 5}},
                   {{"now/0", 10}, {"replay-3/-3", 5}}, {{"now/0", 10}, {"replay-3/-3", 2}}),
            (Reached{{-3, 2}}));
  // A table that has not come to a replay begins it; an alert begins every shard.
  EXPECT_EQ(unread({{"now/0", 10}, {"replay-3/-3", 5}}, {}, {{"now/0", 10}, {"replay-3/-3", 5}}),
            (Reached{{-3, 0}}));
  EXPECT_EQ(unread({{"now/0", 10}}, {}, {}), (Reached{{0, 0}}));
}

TEST_F(UnreadRows, MayBeInAFileUnlessItsStatisticsSayNo) {
  const lake::AddFile file{
      .stats =
          R"({"minValues":{"_shard":0,"_offset":100},"maxValues":{"_shard":1,"_offset":199}})"};
  EXPECT_FALSE(may_hold(file, Reached{}));
  EXPECT_FALSE(may_hold(file, Reached{{0, 200}, {2, 0}}));
  EXPECT_TRUE(may_hold(file, Reached{{0, 199}}));
  EXPECT_TRUE(may_hold(file, Reached{{1, 0}}));
  EXPECT_TRUE(may_hold(lake::AddFile{}, Reached{{0, 1000}}));
}

}  // namespace
}  // namespace millrace::flow
