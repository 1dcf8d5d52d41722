#include "log/stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "log/test_stream.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::Offset;
using base::ShardId;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

using Bodies = std::vector<std::string>;

class StreamTest : public testing::Test {
 protected:
  std::unique_ptr<Stream> open(StreamOptions options = {.name = "orders"}) {
    auto stream = Stream::open(folder_, std::move(options), tools_.on(disk_));
    EXPECT_TRUE(stream) << stream.error().text();
    return std::move(stream).value();
  }
  static std::vector<OffsetRange> put(Stream& stream, const Bodies& bodies,
                                      std::int64_t shard = 0) {
    auto ranges = stream.append_and_wait(records_of(bodies, shard));
    EXPECT_TRUE(ranges) << ranges.error().text();
    return std::move(ranges).value();
  }

  os::TestFolder test_folder_;
  os::Path folder_ = test_folder_.path() / "log" / "orders";
  os::RealDisk disk_;
  TestTools tools_;
};

OffsetRange range(std::int64_t shard, std::int64_t first, std::int64_t end) {
  return {.shard = ShardId(shard), .first = Offset(first), .end = Offset(end)};
}

TEST_F(StreamTest, GivesBackWhatWasAppendedAlsoAfterARestart) {
  std::string incarnation;
  {
    auto stream = open();
    incarnation = stream->incarnation();
    EXPECT_THAT(put(*stream, {"a", ""}), ElementsAre(range(0, 0, 2)));
    tools_.clock.advance(5s);
    const std::vector<NewRecord> keyed = {
        {.shard = ShardId(0), .partition_key = "k", .bytes = "c"}};
    EXPECT_THAT(*stream->append_and_wait(keyed), ElementsAre(range(0, 2, 3)));
    EXPECT_EQ(*bodies_of(*stream), (Bodies{"a", "", "c"}));
  }
  auto stream = open();
  EXPECT_EQ(stream->incarnation(), incarnation);
  EXPECT_EQ(stream->end(ShardId(0)), Offset(3));
  const auto batch = stream->read(ShardId(0), Offset(1), 1000);
  ASSERT_TRUE(batch) << batch.error().text();
  ASSERT_EQ(batch->records.size(), 2);
  EXPECT_EQ(batch->records[1].partition_key, "k");
  EXPECT_EQ(batch->records[1].received_at - batch->records[0].received_at, 5s);
  EXPECT_EQ(batch->shard, ShardId(0));
}

TEST_F(StreamTest, AnAppendMayTouchSeveralShards) {
  auto stream = open({.name = "orders", .shards = 3});
  put(*stream, {"x"}, 2);
  const Bodies bodies = {"a", "b"};
  auto records = records_of(bodies, 2);
  records.push_back({.shard = ShardId(0), .partition_key = {}, .bytes = "c"});
  EXPECT_THAT(*stream->append_and_wait(records), ElementsAre(range(0, 0, 1), range(2, 1, 3)));
  EXPECT_EQ(*bodies_of(*stream, 2), (Bodies{"x", "a", "b"}));
  EXPECT_EQ(*bodies_of(*stream, 1), Bodies{});
}

TEST_F(StreamTest, ReadsAtLeastOneRecordAndStopsAtTheLimit) {
  auto stream = open();
  put(*stream, {"12345", "12345", "12345"});
  EXPECT_EQ(stream->read(ShardId(0), Offset(0), 10)->records.size(), 2);
  EXPECT_EQ(stream->read(ShardId(0), Offset(1), 1)->records.size(), 1);
  EXPECT_EQ(stream->read(ShardId(0), Offset(1), 1)->next, Offset(2));
  EXPECT_TRUE(stream->read(ShardId(0), Offset(3), 10)->records.empty());
  EXPECT_EQ(stream->read(ShardId(0), Offset(4), 10).error().code, Code::Corrupt);
}

TEST_F(StreamTest, ReadsEveryOffsetOfManyBatchesAndSegments) {
  auto stream = open({.name = "orders", .segment_bytes = 20'000});
  Bodies all;
  for (int i = 0; i < 300; ++i) {
    Bodies bodies;
    for (int j = 0; j <= i % 7; ++j)
      bodies.push_back(std::string(i % 300, 'x') + std::to_string(i));
    put(*stream, bodies);
    all.insert(all.end(), bodies.begin(), bodies.end());
  }
  EXPECT_GT(segments_of(folder_).size(), 5);
  const auto check_all = [&] {
    EXPECT_EQ(*bodies_of(*stream), all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto batch = stream->read(ShardId(0), Offset(static_cast<std::int64_t>(i)), 100);
      ASSERT_TRUE(batch) << batch.error().text();
      ASSERT_EQ(batch->records.front().bytes, all[i]);
    }
  };
  check_all();
  stream.reset();
  stream = open();
  check_all();
}

TEST_F(StreamTest, TakesRecordsLargerThanABatchOrARead) {
  auto stream = open();
  const Bodies bodies = {std::string(3'000'000, 'a'), "b", std::string(700'000, 'c'), "d"};
  put(*stream, bodies);
  EXPECT_EQ(*bodies_of(*stream, 0, Offset(0), 1000), bodies);
  EXPECT_EQ(*bodies_of(*stream, 0, Offset(0), 10_MiB), bodies);
}

TEST_F(StreamTest, ManyThreadsAppendAndEachOnesOrderIsKept) {
  auto stream = open({.name = "orders", .segment_bytes = 30'000});
  std::vector<std::jthread> threads;
  std::atomic<int> acknowledged{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) {
        auto owner = std::make_shared<std::string>(fmt::format("{}:{}", thread, i));
        stream->append(
            {{.shard = ShardId(0), .partition_key = {}, .bytes = *owner}}, owner,
            [&](const auto& result, auto) { acknowledged += result.has_value() ? 1 : 0; });
      }
    });
  }
  threads.clear();
  stream->close();
  EXPECT_EQ(acknowledged, 800);
  std::vector<int> next(4, 0);
  const auto bodies = *bodies_of(*stream);
  for (const auto& body : bodies) {
    const int thread = body[0] - '0';
    EXPECT_EQ(std::stoi(body.substr(2)), next.at(static_cast<std::size_t>(thread))++);
  }
  EXPECT_EQ(next, std::vector<int>(4, 200));
}

/// Does something whenever somebody measures a span: the writer does between its steps.
class BusyClock final : public base::Clock {
 public:
  explicit BusyClock(const base::Clock& clock) : clock_(clock) {}
  base::Time now() const override { return clock_.now(); }
  base::SteadyTime steady_now() const override {
    if (meanwhile) meanwhile();
    return clock_.steady_now();
  }
  std::function<void()> meanwhile;

 private:
  const base::Clock& clock_;
};

TEST_F(StreamTest, ReadsNothingBeyondTheEndThatItTellsWhileAWriteIsUnderWay) {
  BusyClock clock(tools_.clock);
  auto tools = tools_.on(disk_);
  auto stream =
      Stream::open(
          folder_, {.name = "orders"},
          {.disk = disk_, .clock = clock, .random = tools_.random, .telemetry = tools.telemetry})
          .value();
  put(*stream, {"a"});
  int reads = 0;
  clock.meanwhile = [&] {
    const auto end = stream->end(ShardId(0));
    const auto batch = stream->read(ShardId(0), Offset(0), 1'000'000);
    ASSERT_TRUE(batch) << batch.error().text();
    EXPECT_LE(batch->next, end);
    EXPECT_EQ(batch->records.size(), static_cast<std::size_t>(batch->next.value()));
    EXPECT_TRUE(stream->read(ShardId(0), batch->next, 1'000'000));
    ++reads;
  };
  put(*stream, {"b", "c"});
  clock.meanwhile = nullptr;
  EXPECT_GT(reads, 1);
  EXPECT_THAT(*bodies_of(*stream), ElementsAre("a", "b", "c"));
}

TEST_F(StreamTest, WaitsUntilThereIsMore) {
  auto stream = open();
  const std::vector<Offset> start = {Offset(0)};
  EXPECT_FALSE(stream->wait_beyond(start, 1ms, {}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(stream->wait_beyond(start, 1h, stop.get_token()));
  std::jthread writer([&] { put(*stream, {"a"}); });
  EXPECT_TRUE(stream->wait_beyond(start, 1h, {}));
}

TEST_F(StreamTest, RefusesWhatIsTooLargeOrHasNoShardOrComesTooLate) {
  auto stream = open({.name = "orders", .record_bytes_max = 4});
  const auto code = [&](const Bodies& bodies, std::int64_t shard) {
    return stream->append_and_wait(records_of(bodies, shard)).error().code;
  };
  EXPECT_EQ(code({"ok", "12345"}, 0), Code::Invalid);
  EXPECT_EQ(code({"ok"}, 1), Code::Invalid);
  EXPECT_EQ(stream->append_and_wait({})->size(), 0);
  stream->close();
  EXPECT_EQ(code({"ok"}, 0), Code::Cancelled);
  EXPECT_EQ(stream->end(ShardId(0)), Offset(0));
}

TEST_F(StreamTest, GetsTheNumberOfShardsThatIsAskedForAndKeepsItsRecords) {
  put(*open({.name = "orders", .shards = 2}), {"a"}, 1);
  auto stream = open({.name = "orders", .shards = 3});
  EXPECT_EQ(stream->shard_map()->open_count(), 3);
  put(*stream, {"b"}, stream->shard_of("k").value());
  EXPECT_EQ(*bodies_of(*stream, 1), Bodies{"a"});
  const auto held = stream->shard_of("k").value();
  stream.reset();
  stream = open({.name = "orders", .shards = 1});
  EXPECT_EQ(stream->shard_map()->open_count(), 1);
  EXPECT_EQ(*bodies_of(*stream, 1), Bodies{"a"});
  EXPECT_EQ(*bodies_of(*stream, held), Bodies{"b"});
}

TEST_F(StreamTest, RefusesSettingsOutOfRange) {
  for (const StreamOptions& options : {StreamOptions{.name = "o", .shards = 0},
                                       StreamOptions{.name = "o", .retention_bytes = 1000},
                                       StreamOptions{.name = "o", .record_bytes_max = 2_GiB}}) {
    const auto stream = Stream::open(folder_, options, tools_.on(disk_));
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().code, Code::Invalid);
  }
}

TEST_F(StreamTest, AKeyStaysInItsShardAndRecordsWithoutOneAreSpread) {
  auto stream = open({.name = "orders", .shards = 4});
  EXPECT_EQ(stream->shard_of("customer-1"), stream->shard_of("customer-1"));
  std::vector<int> keyed(4, 0);
  std::vector<int> unkeyed(4, 0);
  for (int i = 0; i < 400; ++i) {
    ++keyed[static_cast<std::size_t>(stream->shard_of(std::to_string(i)).value())];
    ++unkeyed[static_cast<std::size_t>(stream->shard_of("").value())];
  }
  EXPECT_THAT(unkeyed, testing::Each(100));
  EXPECT_THAT(keyed, testing::Each(testing::Gt(60)));
}

TEST_F(StreamTest, RollsToANewSegmentWhenTheActiveOneIsOld) {
  auto stream = open();
  put(*stream, {"a"});
  tools_.clock.advance(59min);
  put(*stream, {"b"});
  EXPECT_EQ(segments_of(folder_).size(), 1);
  tools_.clock.advance(1min);
  put(*stream, {"c"});
  EXPECT_EQ(segments_of(folder_).size(), 2);
  EXPECT_EQ(*bodies_of(*stream), (Bodies{"a", "b", "c"}));
}

// A release is worked off by the writer before the next append.
TEST_F(StreamTest, RetentionByTimeDropsOnlyWhatIsReleasedAndOld) {
  auto stream = open({.name = "orders", .retention_time = 24h, .segment_bytes = 1});
  for (const auto* body : {"a", "b", "c", "d"}) put(*stream, {body});
  tools_.clock.advance(25h);
  put(*stream, {"e"});
  EXPECT_EQ(stream->oldest(ShardId(0)), Offset(0)) << "nothing was released";

  const std::vector<Offset> released = {Offset(2)};
  ASSERT_TRUE(stream->release(released));
  put(*stream, {"f"});
  EXPECT_EQ(stream->oldest(ShardId(0)), Offset(2));
  EXPECT_EQ(stream->read(ShardId(0), Offset(1), 100).error().code, Code::Exhausted);
  EXPECT_EQ(*bodies_of(*stream, 0, Offset(2)), (Bodies{"c", "d", "e", "f"}));

  const std::vector<Offset> all = {Offset(6)};
  ASSERT_TRUE(stream->release(all));
  put(*stream, {"g"});
  EXPECT_EQ(stream->oldest(ShardId(0)), Offset(3)) << "d's segment ended when e came";
  const std::vector<Offset> too_many = {Offset(6), Offset(0)};
  EXPECT_EQ(stream->release(too_many).error().code, Code::Invalid);
  stream.reset();
  EXPECT_EQ(*bodies_of(*open(), 0, Offset(3)), (Bodies{"d", "e", "f", "g"}));
}

TEST_F(StreamTest, RefusesAtTheRetentionLimitUntilReadersReleased) {
  auto stream = open({.name = "orders", .retention_bytes = 64_KiB});
  const std::string body(1000, 'x');
  std::int64_t count = 0;
  base::Result<std::vector<OffsetRange>> result = std::vector<OffsetRange>();
  for (; count < 1000; ++count) {
    result = stream->append_and_wait(records_of({body}));
    if (!result) break;
  }
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::Exhausted);
  EXPECT_GT(count, 50);
  EXPECT_TRUE(stream->status().is_full);
  EXPECT_THAT(tools_.metrics.exposition(), HasSubstr("millrace_log_full{stream=\"orders\"} 1"));
  EXPECT_EQ(bodies_of(*stream)->size(), count) << "nothing that was not released is dropped";

  const std::vector<Offset> all = {Offset(count)};
  ASSERT_TRUE(stream->release(all));
  while (stream->status().is_full) std::this_thread::sleep_for(1ms);
  put(*stream, {body});
  EXPECT_GT(stream->oldest(ShardId(0)), Offset(0));
  EXPECT_EQ(*bodies_of(*stream, 0, Offset(count)), Bodies{body});
}

TEST_F(StreamTest, CountsWhatAnOperatorSees) {
  auto stream = open();
  put(*stream, {"abc", "de"});
  stream->close();
  const std::string text = tools_.metrics.exposition();
  for (const auto* line :
       {"millrace_log_appends_total{stream=\"orders\"} 1",
        "millrace_log_records_total{stream=\"orders\"} 2",
        "millrace_log_bytes_total{stream=\"orders\"} 5",
        "millrace_log_sync_seconds_count{stream=\"orders\"} 1",
        "millrace_log_segments{stream=\"orders\"} 1", "millrace_log_full{stream=\"orders\"} 0"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace millrace::log
