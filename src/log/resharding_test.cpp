#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "log/test_ledger.hpp"
#include "os/fault_disk.hpp"
#include "os/sim_disk.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::Offset;
using base::ShardId;
using os::Survival;
using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr HashKey kHalf = HashKey{1} << 127;

class ReshardingTest : public testing::Test {
 protected:
  std::unique_ptr<Stream> open(StreamOptions options = {.name = "orders"}) {
    auto stream = Stream::open(folder_, std::move(options), tools_.on(disk_));
    EXPECT_TRUE(stream) << stream.error().text();
    return std::move(stream).value();
  }
  // With the key that it is.
  static std::int64_t put(Stream& stream, const std::string& key) {
    const auto map = stream.shard_map();
    const auto place = stream.place(*map, key);
    const auto ranges = stream.append_and_wait(
        {{.shard = place.shard, .partition_key = key, .bytes = key, .hash_key = place.hash_key}});
    EXPECT_TRUE(ranges) << ranges.error().text();
    return ranges->at(0).shard.value();
  }

  os::TestFolder test_folder_;
  os::Path folder_ = test_folder_.path() / "log" / "orders";
  os::RealDisk disk_;
  TestTools tools_;
};

TEST_F(ReshardingTest, ASplitClosesTheShardAndItsChildrenTakeItsKeysAlsoAfterARestart) {
  auto stream = open();
  put(*stream, "a");
  tools_.clock.advance(5s);
  ASSERT_TRUE(stream->split(ShardId(0), kHalf));
  EXPECT_EQ(stream->shard_count(), 3);
  const auto check = [&] {
    const auto description = stream->description();
    EXPECT_EQ(description->shards.at(ShardId(0)).closed_at, tools_.clock.now());
    EXPECT_EQ(description->shards.at(ShardId(1)).parent, ShardId(0));
    EXPECT_EQ(put(*stream, "a"), hash_key_of("a") < kHalf ? 1 : 2);
    EXPECT_THAT(*bodies_of(*stream, 0), ElementsAre("a"));
  };
  check();
  stream.reset();
  stream = open();
  check();
}

TEST_F(ReshardingTest, AMergeMakesOneOfTwo) {
  auto stream = open({.name = "orders", .shards = 2});
  ASSERT_TRUE(stream->merge(ShardId(0), ShardId(1)));
  EXPECT_EQ(put(*stream, "a"), 2);
  EXPECT_EQ(put(*stream, "b"), 2);
  EXPECT_EQ(stream->merge(ShardId(0), ShardId(1)).error().code, Code::Invalid);
  EXPECT_EQ(stream->split(ShardId(7), 1).error().code, Code::NotFound);
}

TEST_F(ReshardingTest, ARecordWhoseShardWasClosedMeanwhileGoesToTheChildOfItsKey) {
  auto stream = open();
  ASSERT_TRUE(stream->split(ShardId(0), kHalf));
  std::vector<std::int64_t> shards;
  std::promise<void> done;
  stream->append({{.shard = ShardId(0), .bytes = "low", .hash_key = 3},
                  {.shard = ShardId(0), .bytes = "high", .hash_key = kHashKeyMax}},
                 nullptr, [&](const auto& result, std::span<const NewRecord> records) {
                   EXPECT_TRUE(result);
                   for (const auto& record : records) shards.push_back(record.shard.value());
                   done.set_value();
                 });
  done.get_future().wait();
  EXPECT_THAT(shards, ElementsAre(1, 2));
  EXPECT_THAT(*bodies_of(*stream, 1), ElementsAre("low"));
  EXPECT_THAT(*bodies_of(*stream, 2), ElementsAre("high"));
}

// Who reads a closed shard to its end has all that was ever in it; and what one thread puts of one
// key comes in its order, when parents are read before their children.
TEST_F(ReshardingTest, NothingIsLostOrMovedAheadWhileManyPutAndTheStreamIsResharded) {
  auto stream = open();
  std::atomic<bool> is_over{false};
  std::atomic<int> ends_moved{0};
  std::vector<std::jthread> threads;
  std::vector<int> put_count(3, 0);
  for (std::size_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string key = fmt::format("key-{}", thread);
      for (int& i = put_count[thread]; !is_over; ++i) {
        const auto place = stream->place(*stream->shard_map(), key);
        const std::string body = fmt::format("{}:{}", thread, i);
        ASSERT_TRUE(stream->append_and_wait({{.shard = place.shard,
                                              .partition_key = key,
                                              .bytes = body,
                                              .hash_key = place.hash_key}}));
      }
    });
  }
  for (const int shards : {2, 5, 3, 1, 4, 2}) {
    std::this_thread::sleep_for(5ms);
    ASSERT_TRUE(stream->spread(shards));
    const auto map = stream->description()->shards;
    for (int i = 0; i < map.count(); ++i) {
      if (map.at(ShardId(i)).is_open()) continue;
      const auto end = stream->end(ShardId(i));
      std::this_thread::sleep_for(1ms);
      if (stream->end(ShardId(i)) != end) ++ends_moved;
    }
  }
  is_over = true;
  threads.clear();
  EXPECT_EQ(ends_moved, 0);
  std::vector<int> next(3, 0);
  for (int shard = 0; shard < stream->shard_count(); ++shard) {
    const auto bodies = *bodies_of(*stream, shard);
    for (const auto& body : bodies) {
      EXPECT_EQ(std::stoi(body.substr(2)), next.at(static_cast<std::size_t>(body[0] - '0'))++);
    }
  }
  EXPECT_EQ(next, put_count);
}

TEST_F(ReshardingTest, RefusesANumberOfShardsOutOfRange) {
  auto stream = open();
  EXPECT_EQ(stream->spread(0).error().code, Code::Invalid);
  EXPECT_EQ(stream->spread(kOpenShardsMax + 1).error().code, Code::Invalid);
  ASSERT_TRUE(stream->spread(1));
  EXPECT_EQ(stream->shard_count(), 1);
}

TEST_F(ReshardingTest, KeepsTagsAndRetention) {
  auto stream = open();
  ASSERT_TRUE(stream->change([](StreamFile& file) -> base::Result<void> {
    file.tags["team"] = "web";
    file.retention = 48h;
    return {};
  }));
  EXPECT_EQ(stream
                ->change([](StreamFile&) -> base::Result<void> {
                  return base::Error{Code::Invalid, "no"};
                })
                .error()
                .code,
            Code::Invalid);
  stream.reset();
  stream = open();
  EXPECT_EQ(stream->description()->tags.at("team"), "web");
  EXPECT_EQ(stream->description()->retention, 48h);
}

TEST_F(ReshardingTest, FindsTheFirstRecordOfATime) {
  auto stream = open({.name = "orders", .segment_bytes = 400});
  const auto start = tools_.clock.now();
  for (int i = 0; i < 40; ++i) {
    put(*stream, fmt::format("k{}", i));
    tools_.clock.advance(10s);
  }
  EXPECT_EQ(*stream->offset_at(ShardId(0), start - 1h), Offset(0));
  EXPECT_EQ(*stream->offset_at(ShardId(0), start + 10s), Offset(1));
  EXPECT_EQ(*stream->offset_at(ShardId(0), start + 10s + 1us), Offset(2));
  EXPECT_EQ(*stream->offset_at(ShardId(0), start + 395s), Offset(40));
  EXPECT_EQ(*stream->offset_at(ShardId(0), start + 24h), Offset(40));
}

TEST_F(ReshardingTest, AStreamWithoutReadersDropsWhatIsOldAndOnlyThat) {
  auto stream = open({.name = "made",
                      .origin = Origin::Api,
                      .retention_time = 24h,
                      .retention_bytes = 64_KiB,
                      .segment_bytes = 1});
  const std::string body(1000, 'x');
  int count = 0;
  while (count < 1000 && stream->append_and_wait(records_of({body}))) ++count;
  EXPECT_GT(count, 40);
  EXPECT_EQ(stream->oldest(ShardId(0)), Offset(0)) << "what is not old stays, though it is full";
  tools_.clock.advance(25h);
  while (stream->status().is_full) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(stream->append_and_wait(records_of({body})));
  EXPECT_GT(stream->oldest(ShardId(0)), Offset(0));
}

// The power goes at every call of a life with reshards: what was acknowledged is there, in shards
// that the file names, and the file's shards share out the key space.
class ReshardingCrash : public testing::TestWithParam<Survival> {};

StreamOptions small() {
  return {.name = "orders", .shards = 1, .segment_bytes = 300, .segment_age = 1h};
}

/// What was acknowledged, by shard.
using Acknowledged = std::map<std::int64_t, std::vector<std::string>>;

bool live(os::Disk& disk, const os::Path& folder, TestTools& tools, Acknowledged& acknowledged) {
  int n = 0;
  for (int life = 0; life < 2; ++life) {
    auto stream = Stream::open(folder, small(), tools.on(disk));
    if (!stream) return false;
    for (const int shards : {2, 1}) {
      for (int i = 0; i < 2; ++i) {
        const std::string body = std::to_string(n++);
        const auto place = (*stream)->place(*(*stream)->shard_map(), body);
        const auto done = (*stream)->append_and_wait({{.shard = place.shard,
                                                       .partition_key = body,
                                                       .bytes = body,
                                                       .hash_key = place.hash_key}});
        if (!done) return false;
        acknowledged[done->at(0).shard.value()].push_back(body);
      }
      if (!(*stream)->spread(shards)) return false;
    }
  }
  return true;
}

void check(Stream& stream, const Acknowledged& acknowledged, const std::string& when) {
  const auto description = stream.description();
  const auto shards = description->shards.shards();
  ASSERT_TRUE(ShardMap::of({shards.begin(), shards.end()})) << when;
  for (const auto& [shard, bodies] : acknowledged) {
    ASSERT_LT(shard, stream.shard_count()) << when;
    const auto found = bodies_of(stream, shard);
    ASSERT_TRUE(found) << when << ": " << found.error().text();
    // One more may be there: written, but the power went before it was acknowledged.
    ASSERT_GE(found->size(), bodies.size()) << when;
    EXPECT_LE(found->size(), bodies.size() + 1) << when;
    for (std::size_t i = 0; i < bodies.size(); ++i) EXPECT_EQ(found->at(i), bodies[i]) << when;
  }
}

TEST_P(ReshardingCrash, LosesNothingToACutAtAnyCall) {
  std::uint64_t calls = 0;
  {
    os::TestFolder folder;
    TestTools tools;
    Acknowledged acknowledged;
    auto disk = os::SimDisk::open({.root = folder.path()}).value();
    ASSERT_TRUE(live(*disk, folder.path() / "orders", tools, acknowledged));
    calls = disk->calls();
  }
  for (std::uint64_t nth = 1; nth <= calls; ++nth) {
    const std::string when = fmt::format("cut at {}", nth);
    os::TestFolder folder;
    TestTools tools;
    Acknowledged acknowledged;
    auto disk =
        os::SimDisk::open({.root = folder.path(), .seed = nth, .unsynced = GetParam()}).value();
    const os::Path path = folder.path() / "orders";
    disk->cut_at(nth);
    (void)live(*disk, path, tools, acknowledged);
    for (int recovery = 0; recovery < 2; ++recovery) {
      ASSERT_TRUE(disk->power_cycle());
      auto stream = Stream::open(path, small(), tools.on(*disk));
      ASSERT_TRUE(stream) << when << ": " << stream.error().text();
      check(**stream, acknowledged, when);
      if (HasFatalFailure()) return;
      ASSERT_TRUE(disk->power_cycle());
    }
    auto stream = Stream::open(path, small(), tools.on(*disk)).value();
    ASSERT_TRUE(stream->spread(2)) << when;
    const auto place = stream->place(*stream->shard_map(), "z");
    ASSERT_TRUE(stream->append_and_wait(
        {{.shard = place.shard, .bytes = "z", .hash_key = place.hash_key}}));
    EXPECT_EQ(bodies_of(*stream, place.shard.value())->back(), "z");
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(EachSurvival, ReshardingCrash,
                         testing::Values(Survival::Nothing, Survival::Everything,
                                         Survival::Random));

}  // namespace
}  // namespace millrace::log
