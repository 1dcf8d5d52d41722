#include "log/shard_map.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "log/log.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::ShardId;
using base::Time;

const Time kNow = *base::parse_time("2026-11-20T12:00:00Z");
constexpr HashKey kHalf = HashKey{1} << 127;

// `0:open 1:closed 2:open<1`, with the first byte of each range.
std::string picture(const ShardMap& map) {
  std::string text;
  for (int i = 0; i < map.count(); ++i) {
    const auto& shard = map.at(ShardId(i));
    text += fmt::format("{}{}:{:02x}-{:02x}{}", i > 0 ? " " : "", i,
                        static_cast<int>(shard.range.first >> 120),
                        static_cast<int>(shard.range.last >> 120), shard.is_open() ? "" : "x");
    if (shard.parent) text += fmt::format("<{}", shard.parent->value());
    if (shard.adjacent_parent) text += fmt::format("<{}", shard.adjacent_parent->value());
  }
  return text;
}

TEST(ShardMap, SharesTheKeySpaceOutAsKinesisDoes) {
  EXPECT_EQ(ShardMap::even(1, kNow).at(ShardId(0)).range, HashRange());
  const auto three = ShardMap::even(3, kNow);
  EXPECT_EQ(decimal(three.at(ShardId(1)).range.first), "113427455640312821154458202477256070485");
  EXPECT_EQ(decimal(three.at(ShardId(2)).range.first), "226854911280625642308916404954512140970");
  EXPECT_EQ(three.at(ShardId(2)).range.last, kHashKeyMax);
  EXPECT_EQ(ShardMap::even(2, kNow).at(ShardId(1)).range.first, kHalf);
}

TEST(ShardMap, RoutesEveryKeyToTheOpenShardThatHoldsIt) {
  const auto map = ShardMap::even(2, kNow).split(ShardId(0), kHalf / 2, kNow).value();
  EXPECT_EQ(map.route(0), ShardId(2));
  EXPECT_EQ(map.route(kHalf / 2 - 1), ShardId(2));
  EXPECT_EQ(map.route(kHalf / 2), ShardId(3));
  EXPECT_EQ(map.route(kHalf), ShardId(1));
  EXPECT_EQ(map.route(kHashKeyMax), ShardId(1));
  EXPECT_EQ(map.route(map.key_in_turn(0)), ShardId(2));
  EXPECT_EQ(map.route(map.key_in_turn(2)), ShardId(1));
  EXPECT_EQ(map.route(map.key_in_turn(3)), ShardId(2));
}

TEST(ShardMap, SplitsAndMerges) {
  auto map = ShardMap::even(2, kNow);
  map = map.split(ShardId(1), kHalf + kHalf / 2, kNow).value();
  EXPECT_EQ(picture(map), "0:00-7f 1:80-ffx 2:80-bf<1 3:c0-ff<1");
  map = map.merge(ShardId(2), ShardId(0), kNow).value();
  EXPECT_EQ(picture(map), "0:00-7fx 1:80-ffx 2:80-bfx<1 3:c0-ff<1 4:00-bf<2<0");
  EXPECT_EQ(map.children(ShardId(1)), (std::vector{ShardId(2), ShardId(3)}));
  EXPECT_EQ(map.children(ShardId(0)), std::vector{ShardId(4)});
  EXPECT_EQ(map.open_count(), 2);
}

TEST(ShardMap, RefusesSplitsAndMergesThatLeaveNoSense) {
  const auto map = ShardMap::even(4, kNow).split(ShardId(0), 5, kNow).value();
  EXPECT_EQ(map.split(ShardId(0), 5, kNow).error().code, Code::Invalid);
  EXPECT_EQ(map.split(ShardId(9), 5, kNow).error().code, Code::NotFound);
  EXPECT_EQ(map.split(ShardId(1), map.at(ShardId(1)).range.first, kNow).error().code,
            Code::Invalid);
  EXPECT_EQ(map.split(ShardId(1), 0, kNow).error().code, Code::Invalid);
  EXPECT_EQ(map.merge(ShardId(1), ShardId(3), kNow).error().code, Code::Invalid);
  EXPECT_EQ(map.merge(ShardId(1), ShardId(1), kNow).error().code, Code::Invalid);
  EXPECT_EQ(map.merge(ShardId(3), ShardId(4), kNow).error().code, Code::Invalid);
}

TEST(ShardMap, SpreadsToAnyNumberOfEvenShards) {
  for (const int from : {1, 2, 3, 7}) {
    for (const int to : {1, 2, 3, 4, 5, 16}) {
      const auto map = ShardMap::even(from, kNow).spread(to, kNow).value();
      ASSERT_EQ(map.open_count(), to);
      const auto wanted = ShardMap::even(to, kNow);
      for (int i = 0; i < to; ++i) {
        const auto range = wanted.at(ShardId(i)).range;
        EXPECT_EQ(map.at(map.route(range.first)).range, range) << from << " to " << to;
      }
      EXPECT_TRUE(ShardMap::of({map.shards().begin(), map.shards().end()}));
      EXPECT_EQ(map.spread(to, kNow)->count(), map.count()) << "nothing is left to do";
    }
  }
  EXPECT_EQ(picture(*ShardMap::even(2, kNow).spread(4, kNow)),
            "0:00-7fx 1:80-ffx 2:00-3f<0 3:40-7f<0 4:80-bf<1 5:c0-ff<1");
}

TEST(ShardMap, KeepsToItsLimits) {
  auto map = ShardMap::even(kOpenShardsMax, kNow);
  EXPECT_EQ(map.split(ShardId(0), 5, kNow).error().code, Code::Exhausted);
  base::Result<ShardMap> next = map;
  for (int i = 0; next && i < 9; ++i) {
    map = *next;
    next = map.spread(i % 2 == 0 ? 511 : 1024, kNow);
  }
  EXPECT_EQ(next.error().code, Code::Exhausted);
  EXPECT_LE(map.count(), kShardsMax);
}

TEST(ShardMap, IsNotMadeOfShardsThatLeaveAGapOrOverlap) {
  const auto of = [](HashRange a, HashRange b) {
    return ShardMap::of({{.range = a, .created_at = kNow}, {.range = b, .created_at = kNow}})
        .has_value();
  };
  EXPECT_TRUE(of({0, 9}, {10, kHashKeyMax}));
  EXPECT_FALSE(of({0, 9}, {11, kHashKeyMax}));
  EXPECT_FALSE(of({0, 9}, {9, kHashKeyMax}));
  EXPECT_FALSE(of({1, 9}, {10, kHashKeyMax}));
  EXPECT_FALSE(of({0, 9}, {10, 99}));
  EXPECT_FALSE(of({0, kHashKeyMax}, {0, kHashKeyMax}));
  EXPECT_FALSE(ShardMap::of({}));
  EXPECT_FALSE(ShardMap::of({{.created_at = kNow, .parent = ShardId(0)}}));
}

}  // namespace
}  // namespace millrace::log
