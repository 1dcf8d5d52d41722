#include "flow/shard_counts.hpp"

#include <gtest/gtest.h>

namespace millrace::flow {
namespace {

const std::string kId = "millrace/shop/checked/orders/one/0";

Transactions with(Transactions all, const std::vector<std::pair<std::string, std::int64_t>>& set) {
  for (const auto& [id, number] : set) all[id] = number;
  return all;
}

TEST(ShardCounts, AreReadBackAsTheyWereWritten) {
  const ShardCounts counts{.from = 3,
                           .until = 9,
                           .records = 6,
                           .taken = 3,
                           .rows = 5,
                           .rejected = 2,
                           .partly = 1,
                           .filtered = 2};
  const auto all = with({{kId, 9}}, notes_of(counts, {{kId, 3}}, kId));
  EXPECT_EQ(counts_of(all, kId), counts);
  EXPECT_EQ(counts.accounted(), 6);
  EXPECT_EQ(counts_of({{kId, 9}}, kId), std::nullopt);
}

TEST(ShardCounts, WriteOnlyWhatChanged) {
  ShardCounts counts{.from = 0, .until = 2, .records = 2, .taken = 2, .rows = 2};
  const auto all = with({}, notes_of(counts, {}, kId));
  EXPECT_EQ(all.size(), 5U);  // zeros are left out, but where the counts begin
  counts.until = counts.records = 3;
  counts.filtered = 1;
  const auto notes = notes_of(counts, all, kId);
  EXPECT_EQ(notes.size(), 3U);
  EXPECT_EQ(counts_of(with(all, notes), kId), counts);
}

// What was removed of rows that are counted no longer says nothing of the new ones.
TEST(ShardCounts, BeginAnewWithoutWhatWasRemoved) {
  const ShardCounts old{.from = 0, .until = 2, .records = 2, .taken = 2, .rows = 2};
  auto all = with({}, notes_of(old, {}, kId));
  all[removed_id(kId)] = 1;
  EXPECT_EQ(counts_of(all, kId)->removed, 1);
  ShardCounts counts{.from = 5, .until = 6, .records = 1, .taken = 1, .rows = 1, .removed = 0};
  EXPECT_EQ(counts_of(with(all, notes_of(counts, all, kId)), kId), counts);
}

TEST(ShardCounts, AreOfEachLifeThatATableHasRead) {
  const auto lives = lives_of({{kId, 7},
                               {kId + "/mark.0", 1},
                               {kId + "/count.from", 0},
                               {"millrace/old/checked/orders/zero/12", 5},
                               {"millrace/shop/checked/orders/replay-3/-3", 2},
                               {"millrace/shop/checked/orders/one/x", 2},
                               {"millrace/shop/other/orders/one/0", 2},
                               {"millrace/kept_from", 2}},
                              "checked");
  ASSERT_EQ(lives.size(), 3U);
  EXPECT_EQ(lives[0].incarnation, "zero");
  EXPECT_EQ(lives[0].shard, 12);
  EXPECT_FALSE(lives[0].counts);
  EXPECT_EQ(lives[1].app_id, kId);
  EXPECT_EQ(lives[1].position, 7);
  EXPECT_TRUE(lives[1].counts);
  EXPECT_EQ(lives[2].shard, -3);
  EXPECT_TRUE(lives[2].is_replay());
}

}  // namespace
}  // namespace millrace::flow
