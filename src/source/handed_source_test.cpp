#include "source/handed_source.hpp"

#include <gmock/gmock.h>

#include <thread>

#include "base/arena.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using base::ShardId;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr ShardId kShard{0};
constexpr std::uint64_t kAll = 1 << 20;

/// A source, and what a worker with some tables does with it.
class HandedBench {
 public:
  explicit HandedBench(HandedSourceOptions options = {}) : source(numbered(std::move(options))) {}

  /// `101:a 102:b`, or `a b` if they are numbered as they arrive.
  void hand(const std::string& text) {
    const auto memory = std::make_shared<base::Arena>(text.size());
    aws::StreamRecords records{.owner = memory};
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      const auto colon = word.find(':');
      const bool has_number = colon != std::string::npos;
      records.records.push_back(
          {.sequence_number = memory->keep(has_number ? word.substr(0, colon) : ""),
           .arrived_at = {},
           .partition_key = "k",
           .data = memory->keep(has_number ? word.substr(colon + 1) : word)});
    }
    memory_of_last = memory;
    source.hand(kShard, std::move(records));
  }
  /// A table stands there, as a commit of it says: it had read up to the sequence number.
  void remember(std::int64_t position, const std::string& after) {
    source.remember(kShard, Offset(position), *mark_of({after, 0}));
  }
  std::string read(std::int64_t from) {
    const auto batch = source.read(kShard, Offset(from), kAll);
    std::string text;
    for (const auto& record : batch.value().records) {
      text += std::to_string(record.offset.value()) + ":" + std::string(record.bytes) + " ";
    }
    return text + "next " + std::to_string(batch.value().next.value());
  }
  void committed(std::int64_t position) {
    const std::vector<Offset> positions{Offset(position)};
    ASSERT_TRUE(source.release(positions));
  }
  std::string after(std::int64_t position) const {
    const auto mark = source.mark(kShard, Offset(position));
    return mark ? place_of(*mark).after : "";
  }
  std::string wait() {
    const auto waited = source.wait_taken(kShard, std::chrono::steady_clock::now());
    return waited ? "taken" : waited.error().message;
  }

  HandedSource source;
  std::weak_ptr<const void> memory_of_last;  // of what was handed in

 private:
  static HandedSourceOptions numbered(HandedSourceOptions options) {
    options.name = "orders";
    options.incarnation = "1";
    options.shard_count = 1;
    return options;
  }
};

TEST(HandedSource, NumbersFromTheBeginningWhereNoTableStandsYet) {
  HandedBench bench;
  bench.hand("101:a 102:b");
  EXPECT_EQ(bench.read(0), "0:a 1:b next 2");
  EXPECT_THAT(bench.wait(), HasSubstr("have not taken all"));
  EXPECT_EQ(bench.read(2), "next 2");
  EXPECT_EQ(bench.wait(), "taken");
  EXPECT_EQ(bench.after(2), "102") << "what a commit carries";
  EXPECT_EQ(bench.source.committed(kShard), 0U);
  bench.committed(2);
  EXPECT_EQ(bench.source.committed(kShard), 2U);
}

TEST(HandedSource, GoesOnWhereTheTableStandsWhoeverMovedIt) {
  HandedBench bench;
  bench.hand("103:c 104:d");
  bench.remember(2, "102");
  EXPECT_EQ(bench.read(2), "2:c 3:d next 4");
  bench.committed(4);
  bench.hand("107:g");
  bench.remember(6, "106");
  EXPECT_EQ(bench.read(6), "6:g next 7");
  EXPECT_EQ(bench.read(7), "next 7");
  EXPECT_EQ(bench.wait(), "taken");
}

TEST(HandedSource, WhatComesAgainIsPassedOver) {
  HandedBench bench;
  bench.hand("101:a 102:b 103:c");
  bench.remember(2, "102");
  bench.committed(2);
  EXPECT_EQ(bench.read(2), "2:c next 3");
  EXPECT_EQ(bench.source.committed(kShard), 2U) << "two of the three";
  bench.hand("101:a 102:b");
  bench.remember(3, "103");
  bench.committed(3);
  EXPECT_EQ(bench.read(3), "next 3");
  EXPECT_EQ(bench.wait(), "taken");
  EXPECT_EQ(bench.source.committed(kShard), 2U);
}

TEST(HandedSource, ATableThatIsBehindGetsItsRecordsWithTheSameNumbers) {
  HandedBench bench;
  bench.hand("101:a 102:b 103:c");
  bench.remember(1, "101");
  bench.remember(3, "103");
  EXPECT_EQ(bench.read(1), "1:b 2:c next 3");
  EXPECT_EQ(bench.read(3), "next 3");
  EXPECT_EQ(bench.wait(), "taken");
}

TEST(HandedSource, SaysThatRecordsBeforeTheBatchNeverCame) {
  HandedBench bench;
  bench.hand("108:h 109:i");
  bench.remember(1, "101");
  bench.remember(7, "108");  // the batch holds one record up to there, not six
  EXPECT_EQ(bench.read(1), "next 1");
  EXPECT_THAT(bench.wait(), HasSubstr("a table stands at record 1, and what was handed in begins "
                                      "with record 7"));
  EXPECT_EQ(bench.read(7), "7:i next 8");
  bench.hand("110:j");
  EXPECT_THAT(bench.wait(), HasSubstr("have not taken all")) << "the next batch is another one";
}

TEST(HandedSource, GoesOnWithoutThemIfItMay) {
  HandedBench bench({.accepts_lost_records = true});
  bench.hand("108:h 109:i");
  bench.remember(1, "101");
  bench.remember(7, "108");
  EXPECT_EQ(bench.read(1), "next 7");
  EXPECT_EQ(bench.read(7), "7:i next 8");
}

TEST(HandedSource, WhatWasReadKeepsItsMemoryWhenTheBatchIsTakenBack) {
  using Numbering = HandedSourceOptions::Numbering;
  for (const auto numbering : {Numbering::Sequence, Numbering::Arrival}) {
    HandedBench bench({.numbering = numbering});
    bench.hand("101:a 102:b");
    auto batch = bench.source.read(kShard, Offset(0), kAll).value();
    bench.source.take_back(kShard);
    EXPECT_FALSE(bench.memory_of_last.expired());
    EXPECT_EQ(batch.records.back().bytes, "b");
    batch = {};
    EXPECT_TRUE(bench.memory_of_last.expired());
  }
}

TEST(HandedSource, PlacesTheBatchAnewAfterAConflict) {
  HandedBench bench;
  bench.hand("103:c 104:d");
  bench.remember(2, "102");
  EXPECT_EQ(bench.read(2), "2:c 3:d next 4");
  EXPECT_EQ(bench.read(4), "next 4");
  bench.remember(3, "103");  // another process was faster with the first
  EXPECT_THAT(bench.wait(), HasSubstr("have not taken all"));
  EXPECT_EQ(bench.read(3), "3:d next 4");
  EXPECT_EQ(bench.read(4), "next 4");
  EXPECT_EQ(bench.wait(), "taken");
}

TEST(HandedSource, NumbersArrivalsBehindTheTableThatIsFarthest) {
  HandedBench bench({.numbering = HandedSourceOptions::Numbering::Arrival});
  bench.hand("a b");
  EXPECT_EQ(bench.read(0), "0:a 1:b next 2");
  EXPECT_EQ(bench.after(2), "2");
  bench.committed(2);
  EXPECT_EQ(bench.source.committed(kShard), 2U);
  bench.hand("c");
  bench.remember(2, "2");
  bench.remember(5, "5");
  EXPECT_EQ(bench.read(2), "next 5") << "what the other one has is not this";
  EXPECT_EQ(bench.read(5), "5:c next 6");
  EXPECT_EQ(bench.read(6), "next 6");
  EXPECT_EQ(bench.wait(), "taken");
}

// A table that has no position yet would begin behind it, and never have it.
TEST(HandedSource, WhatWasReadAndCameToNothingIsNoBeginning) {
  HandedBench bench;
  bench.hand("101:a 102:b");
  EXPECT_EQ(bench.read(0), "0:a 1:b next 2");
  bench.source.take_back(kShard);
  EXPECT_EQ(bench.source.oldest(kShard), Offset(0));
  bench.hand("101:a 102:b");
  EXPECT_EQ(bench.source.oldest(kShard), Offset(0));
  EXPECT_EQ(bench.read(0), "0:a 1:b next 2");
  bench.remember(2, "102");
  EXPECT_EQ(bench.source.oldest(kShard), Offset(2)) << "another table stands there";
}

TEST(HandedSource, EachBatchIsAnotherGift) {
  HandedBench bench;
  const auto before = bench.source.share();
  EXPECT_TRUE(before->given.empty());
  bench.hand("101:a");
  const auto first = bench.source.share()->given.at(kShard);
  bench.hand("102:b");
  EXPECT_NE(bench.source.share()->given.at(kShard), first);
  bench.source.hand(ShardId(3), {});
  EXPECT_EQ(bench.source.shard_count(), 4) << "the stream was resharded";
}

TEST(HandedSource, EndsAWaitWhenNobodyReadsAnyMore) {
  HandedBench bench;
  bench.hand("101:a");
  bench.source.fail({base::Code::Corrupt, "the worker ended"});
  EXPECT_EQ(bench.wait(), "the worker ended");
}

TEST(HandedSource, WakesWhoWaits) {
  HandedBench bench;
  std::atomic<int> woken{0};
  std::jthread waiting([&](const std::stop_token& stop) {
    const std::vector<Offset> nothing{Offset(INT64_MAX)};
    while (!stop.stop_requested()) {
      if (bench.source.wait_beyond(nothing, 10s, stop)) ++woken;
    }
  });
  const auto await = [&](int count) {
    while (woken < count) std::this_thread::yield();
  };
  bench.hand("101:a");
  await(1);
  for (const auto end = std::chrono::steady_clock::now() + 10s;
       woken < 2 && std::chrono::steady_clock::now() < end;) {
    bench.source.wake();
  }
  EXPECT_GE(woken, 2);
}

}  // namespace
}  // namespace millrace::source
