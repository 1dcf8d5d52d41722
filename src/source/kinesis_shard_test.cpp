#include "source/kinesis_shard.hpp"

#include <gtest/gtest.h>

#include "aws/test_kinesis.hpp"
#include "base/arena.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using base::ShardId;

aws::RecordPage page(const std::vector<std::pair<std::string, std::string>>& records) {
  aws::RecordPage page{.next = "more"};
  const auto memory = std::make_shared<base::Arena>(1024);
  page.records.owner = memory;
  for (const auto& [number, data] : records) {
    page.records.records.push_back({.sequence_number = memory->keep(number),
                                    .partition_key = "k",
                                    .data = memory->keep(data)});
  }
  return page;
}

std::string picture(const base::RecordBatch& batch) {
  std::string text;
  for (const auto& record : batch.records) {
    text += std::to_string(record.offset.value()) + ":" + std::string(record.bytes) + " ";
  }
  return text + "next " + std::to_string(batch.next.value());
}

TEST(KinesisMark, KeepsSequenceNumbersOfUpTo189Bits) {
  // 2^189 - 1, and a real one of 186 bits.
  const std::string largest = "784637716923335095479473677900958302012794430558004314111";
  for (const auto& number :
       {std::string("1"), std::string("9223372036854775808"), largest,
        std::string("49590338271490256608559692538361571095921575989136588898")}) {
    const KinesisPlace place{number, 7};
    const auto mark = mark_of(place);
    ASSERT_TRUE(mark) << number;
    for (const auto word : *mark) EXPECT_GE(word, 0);
    EXPECT_EQ(place_of(*mark), place);
  }
  EXPECT_EQ(place_of(*mark_of({"", 3})), (KinesisPlace{"", 3}));
  EXPECT_FALSE(mark_of({"784637716923335095479473677900958302012794430558004314112", 0}));
  EXPECT_FALSE(mark_of({"12a", 0}));
}

TEST(KinesisMark, ComparesNumbersNotTexts) {
  EXPECT_TRUE(is_before("9", "10"));
  EXPECT_TRUE(is_before("0009", "10"));
  EXPECT_FALSE(is_before("10", "9"));
  EXPECT_FALSE(is_before("10", "10"));
}

TEST(KinesisShard, NumbersRecordsAndKnowsWhereEachPositionLies) {
  KinesisShard shard(ShardId(0), {});
  shard.seek(Offset(0));
  shard.add(page({{"101", "a"}, {"102", "b"}}));
  shard.add(page({{"102", "b"}, {"103", "c"}}));  // what is known comes again
  EXPECT_EQ(picture(shard.take(Offset(0), 100)), "0:a 1:b next 2");
  EXPECT_EQ(picture(shard.take(Offset(1), 100)), "1:b next 2");
  EXPECT_EQ(picture(shard.take(Offset(2), 100)), "2:c next 3");
  EXPECT_EQ(picture(shard.take(Offset(3), 100)), "next 3");
  EXPECT_EQ(shard.bytes(), 0U);
  EXPECT_EQ(shard.place(Offset(2)), (KinesisPlace{"102", 0}));
  EXPECT_EQ(shard.place(Offset(3)), (KinesisPlace{"103", 0}));
}

TEST(KinesisShard, TakesAggregatedRecordsApartAndCutsBetweenRecordsOfKinesisOnly) {
  KinesisShard shard(ShardId(0), {});
  shard.seek(Offset(0));
  shard.add(page({{"101", aws::aggregated("k", {"a", "b", "c"})}, {"102", "d"}}));
  EXPECT_EQ(picture(shard.take(Offset(0), 1)), "0:a 1:b 2:c next 3");
  EXPECT_EQ(picture(shard.take(Offset(1), 1)), "1:b 2:c next 3");
  EXPECT_EQ(picture(shard.take(Offset(3), 1)), "3:d next 4");
  // A commit that ends amid the aggregate (a table that halted there).
  EXPECT_EQ(shard.place(Offset(2)), (KinesisPlace{"", 2}));
  KinesisShard again(ShardId(0), {});
  again.remember(Offset(2), *shard.place(Offset(2)));
  again.seek(Offset(2));
  EXPECT_EQ(again.after(), "");
  again.add(page({{"101", aws::aggregated("k", {"a", "b", "c"})}, {"102", "d"}}));
  EXPECT_EQ(picture(again.take(Offset(2), 100)), "2:c 3:d next 4");
}

TEST(KinesisShard, LeavesOutWhatTheKplPutIntoAShardThatIsNotTheKeys) {
  const auto own = log::hash_key_of("k");
  KinesisShard mine(ShardId(0), log::HashRange{own, own});
  KinesisShard other(ShardId(1), log::HashRange{own + 1, log::kHashKeyMax});
  for (auto* shard : {&mine, &other}) {
    shard->seek(Offset(0));
    shard->add(page({{"101", aws::aggregated("k", {"a"})}, {"102", "plain"}}));
  }
  EXPECT_EQ(picture(mine.take(Offset(0), 100)), "0:a 1:plain next 2");
  EXPECT_EQ(picture(other.take(Offset(0), 100)), "0:plain next 1");
}

TEST(KinesisShard, GoesOnFromTheLastPlaceThatIsNotBehind) {
  KinesisShard shard(ShardId(0), {});
  shard.remember(Offset(10), {"110", 0});
  shard.remember(Offset(23), {"120", 3});
  EXPECT_EQ(shard.end(), Offset(23));
  EXPECT_FALSE(shard.leads_to(Offset(10)));
  shard.seek(Offset(15));
  EXPECT_EQ(shard.after(), "110");
  EXPECT_EQ(shard.end(), Offset(10));
  EXPECT_TRUE(shard.leads_to(Offset(23)));
  EXPECT_FALSE(shard.leads_to(Offset(9)));
  shard.release(Offset(20));
  EXPECT_EQ(shard.smallest(), Offset(20));
  EXPECT_EQ(shard.place(Offset(23)), (KinesisPlace{"120", 3}));
}

TEST(KinesisShard, SeesWhetherAPageLeadsOn) {
  using Fits = KinesisShard::Fits;
  KinesisShard shard(ShardId(0), {});
  shard.remember(Offset(1), {"101", 0});
  shard.seek(Offset(1));
  EXPECT_EQ(shard.fits(page({{"101", "a"}, {"102", "b"}}), ""), Fits::Yes);
  EXPECT_EQ(shard.fits(page({{"102", "b"}}), ""), Fits::Not);
  EXPECT_EQ(shard.fits(page({}), ""), Fits::Unclear);
  auto all = page({});
  all.behind = std::chrono::milliseconds(0);
  EXPECT_EQ(shard.fits(all, ""), Fits::Not);
  KinesisShard anew(ShardId(0), {});
  anew.seek(Offset(0));
  EXPECT_EQ(anew.fits(page({{"101", "a"}}), "101"), Fits::Yes);
  EXPECT_EQ(anew.fits(page({{"102", "a"}}), "101"), Fits::Not);
}

TEST(KinesisShard, KeepsABoundedNumberOfPlaces) {
  KinesisShard shard(ShardId(0), {});
  shard.seek(Offset(0));
  for (int i = 0; i < 20'000; ++i) {
    shard.add(page({{std::to_string(1000 + i), "x"}}));
    shard.take(Offset(i), 1);
  }
  EXPECT_EQ(shard.place(Offset(20'000)), (KinesisPlace{"20999", 0}));
  const auto amid = shard.place(Offset(9'000));
  ASSERT_TRUE(amid);
  EXPECT_GT(amid->skip, 0);
  EXPECT_EQ(std::stoi(amid->after) + amid->skip, 9'999);
}

}  // namespace
}  // namespace millrace::source
