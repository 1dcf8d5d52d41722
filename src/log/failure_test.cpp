// What a disk that fails, or is full, does to a stream.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "log/test_ledger.hpp"
#include "os/fault_disk.hpp"
#include "os/sim_disk.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::Offset;
using base::ShardId;
using os::DiskCall;
using os::Times;
using testing::HasSubstr;

using Bodies = std::vector<std::string>;

class FailureTest : public testing::Test {
 protected:
  std::unique_ptr<Stream> open(StreamOptions options = {.name = "orders"}) {
    auto stream = Stream::open(path_, std::move(options), tools_.on(disk_));
    EXPECT_TRUE(stream) << stream.error().text();
    return std::move(stream).value();
  }
  static base::Result<std::vector<OffsetRange>> put(Stream& stream, const Bodies& bodies) {
    return stream.append_and_wait(records_of(bodies));
  }

  os::TestFolder folder_;
  os::Path path_ = folder_.path() / "orders";
  os::RealDisk real_;
  os::FaultDisk disk_{real_};
  TestTools tools_;
};

TEST_F(FailureTest, AFailedWriteOrSyncEndsTheSegmentAndItsRecordsAreGoneForGood) {
  for (const auto call : {DiskCall::Append, DiskCall::Sync}) {
    std::filesystem::remove_all(path_);
    auto stream = open();
    ASSERT_TRUE(put(*stream, {"a"}));
    disk_.fail({.call = call, .nth = 1, .code = Code::Unavailable});
    const auto failed = put(*stream, {"lost"});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::Unavailable);
    EXPECT_THAT(stream->status().last_error, HasSubstr("fault"));
    EXPECT_EQ(*bodies_of(*stream), Bodies{"a"}) << "readers never saw it";
    EXPECT_EQ(segments_of(path_).size(), 2) << "begun before the caller was told";

    const auto next = put(*stream, {"b"});
    ASSERT_TRUE(next);
    EXPECT_EQ(next->at(0).first, Offset(1)) << "the same offset, another record";
    EXPECT_EQ(stream->status().last_error, "");
    stream = nullptr;
    EXPECT_EQ(*bodies_of(*open()), (Bodies{"a", "b"}));
  }
}

TEST_F(FailureTest, AFileWhoseSyncFailedIsNeverSyncedAgain) {
  auto stream = open();
  ASSERT_TRUE(put(*stream, {"a"}));
  const os::Path failed = segments_of(path_).at(0);
  disk_.fail({.call = DiskCall::Sync, .nth = 1, .code = Code::Unavailable});
  ASSERT_FALSE(put(*stream, {"lost"}));
  const auto size = real_.stat(failed).value()->size;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(put(*stream, {"b"}));
  stream = nullptr;
  EXPECT_EQ(real_.stat(failed).value()->size, size)
      << "nothing was appended to it, no marker either";
  EXPECT_EQ(*bodies_of(*open()), (Bodies{"a", "b", "b", "b"}));
}

TEST_F(FailureTest, IfNoNewSegmentCanBeBegunEitherTheNextAppendTriesAgain) {
  auto stream = open();
  ASSERT_TRUE(put(*stream, {"a"}));
  for (const auto call : {DiskCall::Open, DiskCall::Rename, DiskCall::SyncDirectory}) {
    disk_.fail({.call = DiskCall::Sync, .nth = 1, .code = Code::Unavailable});
    disk_.fail({.call = call, .nth = 1, .code = Code::Unavailable, .times = Times::FromThenOn});
    EXPECT_EQ(put(*stream, {"lost"}).error().code, Code::Unavailable);
    EXPECT_EQ(put(*stream, {"lost"}).error().code, Code::Unavailable);
    disk_.heal();
    ASSERT_TRUE(put(*stream, {"b"}));
  }
  stream = nullptr;
  EXPECT_EQ(*bodies_of(*open()), (Bodies{"a", "b", "b", "b"}));
}

TEST_F(FailureTest, AFullDiskRefusesKeepsReadingAndResumesWhenThereIsSpace) {
  auto stream = open();
  ASSERT_TRUE(put(*stream, {"a"}));
  disk_.fail({.call = DiskCall::Append, .nth = 1, .times = Times::FromThenOn});
  for (int i = 0; i < 3; ++i) {
    const auto refused = put(*stream, {std::string(100'000, 'x')});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::Exhausted);
  }
  EXPECT_TRUE(stream->status().is_full);
  EXPECT_THAT(tools_.metrics.exposition(), HasSubstr("millrace_log_full{stream=\"orders\"} 1"));
  EXPECT_EQ(*bodies_of(*stream), Bodies{"a"});
  std::uint64_t bytes = 0;
  for (const auto& segment : segments_of(path_)) bytes += real_.stat(segment).value()->size;
  EXPECT_LT(bytes, 1000U) << "what the failed write left was cut off: it takes no room";

  disk_.heal();
  ASSERT_TRUE(put(*stream, {"b"}));
  EXPECT_FALSE(stream->status().is_full);
  EXPECT_EQ(*bodies_of(*stream), (Bodies{"a", "b"}));
  stream = nullptr;
  EXPECT_EQ(*bodies_of(*open()), (Bodies{"a", "b"}));
}

// A shard that fails does not take the other with it.
TEST_F(FailureTest, AnAppendToTwoShardsOfWhichOneFailsIsNotAcknowledged) {
  auto stream = open({.name = "orders", .shards = 2});
  const Bodies bodies = {"a"};
  std::vector<NewRecord> both = records_of(bodies, 0);
  both.push_back({.shard = ShardId(1), .partition_key = {}, .bytes = "b"});
  ASSERT_TRUE(stream->append_and_wait(both));
  disk_.fail({.call = DiskCall::Sync, .nth = 2, .code = Code::Unavailable});
  EXPECT_EQ(stream->append_and_wait(both).error().code, Code::Unavailable);
  EXPECT_EQ(bodies_of(*stream, 0)->size(), 2) << "durable, though not acknowledged";
  EXPECT_EQ(bodies_of(*stream, 1)->size(), 1);
  ASSERT_TRUE(stream->append_and_wait(both));
  EXPECT_EQ(bodies_of(*stream, 1)->size(), 2);
}

TEST_F(FailureTest, RefusesAtOnceWhenTheQueueIsFull) {
  auto stream = open({.name = "orders", .queue_bytes_max = 1000});
  const Bodies first = {"a"};
  const Bodies large = {std::string(600, 'x')};
  std::promise<void> go;
  std::promise<void> is_held;
  stream->append(records_of(first), nullptr, [&](const auto& done, auto) {
    EXPECT_TRUE(done);
    is_held.set_value();
    go.get_future().wait();  // holds the writer up, as a slow disk would
  });
  is_held.get_future().wait();
  std::promise<bool> second;
  stream->append(records_of(large), nullptr,
                 [&](const auto& done, auto) { second.set_value(done.has_value()); });
  const auto refused = put(*stream, large);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::Exhausted);
  EXPECT_THAT(refused.error().text(), HasSubstr("slow down"));
  EXPECT_TRUE(stream->status().is_full);
  EXPECT_EQ(stream->status().queue_bytes, 600);
  go.set_value();
  EXPECT_TRUE(second.get_future().get());
  ASSERT_TRUE(put(*stream, large));
  EXPECT_FALSE(stream->status().is_full);
  EXPECT_THAT(tools_.metrics.exposition(),
              HasSubstr("millrace_log_refusals_total{stream=\"orders\"} 1"));
}

TEST_F(FailureTest, AReadErrorIsToldAndPasses) {
  auto stream = open();
  ASSERT_TRUE(put(*stream, {"a"}));
  disk_.fail({.call = DiskCall::Read, .nth = 1, .code = Code::Unavailable});
  EXPECT_EQ(stream->read(ShardId(0), Offset(0), 10).error().code, Code::Unavailable);
  EXPECT_EQ(*bodies_of(*stream), Bodies{"a"});
}

// Any call may fail, once or for good, in any life: no promise is broken, nothing crashes.
TEST_F(FailureTest, NoPromiseIsBrokenWhicheverCallFails) {
  const auto unsynced = os::SimDisk::open({.root = folder_.path()}).value();  // for its speed
  os::FaultDisk disk(*unsynced);
  const StreamOptions options = {
      .name = "orders", .shards = 2, .retention_time = std::chrono::hours(1), .segment_bytes = 200};
  for (const auto call : {DiskCall::Open, DiskCall::Append, DiskCall::Read, DiskCall::Sync,
                          DiskCall::Truncate, DiskCall::Rename, DiskCall::Remove, DiskCall::List,
                          DiskCall::MakeDirectories, DiskCall::Stat, DiskCall::SyncDirectory}) {
    for (const auto code : {Code::Exhausted, Code::Unavailable}) {
      for (const auto times : {Times::Once, Times::FromThenOn}) {
        for (std::uint64_t nth = 1; nth <= 10; ++nth) {
          std::filesystem::remove_all(path_);
          const std::string when =
              fmt::format("call {} code {} times {} nth {}", static_cast<int>(call), name_of(code),
                          static_cast<int>(times), nth);
          Ledger ledger(2);
          disk.fail({.call = call, .nth = nth, .code = code, .times = times});
          for (int life = 0; life < 2; ++life) {
            auto stream = Stream::open(path_, options, tools_.on(disk));
            if (!stream) continue;
            for (std::size_t i = 0; i < 4; ++i) ledger.append(**stream, i % 2, 2);
            tools_.clock.advance(std::chrono::hours(2));
            ledger.release(**stream);
            ledger.append(**stream, 0, 1);
          }
          disk.heal();
          auto stream = Stream::open(path_, options, tools_.on(disk));
          ASSERT_TRUE(stream) << when << ": " << stream.error().text();
          ledger.check(**stream, when);
          ASSERT_TRUE(ledger.append(**stream, 0, 1)) << when;
          ledger.check(**stream, when);
          if (HasFailure()) return;
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::log
