#include "source/log_source.hpp"

#include <gtest/gtest.h>

#include "log/test_stream.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using base::ShardId;

TEST(LogSource, PassesOnWhatTheStreamHas) {
  os::TestFolder folder;
  os::RealDisk disk;
  log::TestTools tools;
  const auto stream =
      log::Stream::open(folder.path() / "orders", {.name = "orders", .shards = 2}, tools.on(disk))
          .value();
  const auto source = make_log_source(*stream);
  EXPECT_EQ(source->incarnation(), stream->incarnation());
  EXPECT_EQ(source->shard_count(), 2);
  const std::vector<Offset> start = {Offset(0), Offset(0)};
  EXPECT_FALSE(source->wait_beyond(start, std::chrono::milliseconds(1), {}));

  ASSERT_TRUE(stream->append_and_wait(log::records_of({"a", "b"}, 1)));
  EXPECT_TRUE(source->wait_beyond(start, std::chrono::milliseconds(1), {}));
  EXPECT_EQ(source->end(ShardId(1)), Offset(2));
  EXPECT_EQ(source->oldest(ShardId(1)), Offset(0));
  const auto batch = source->read(ShardId(1), Offset(1), 100);
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->records.size(), 1);
  EXPECT_EQ(batch->records[0].bytes, "b");
  EXPECT_TRUE(source->release(start));
  const std::vector<base::Offset> too_many(3, base::Offset(0));
  EXPECT_FALSE(source->release(too_many));
  EXPECT_FALSE(source->is_closed(base::ShardId(0)));
  ASSERT_TRUE(stream->merge(base::ShardId(0), base::ShardId(1)));
  EXPECT_EQ(source->shard_count(), 3);
  EXPECT_TRUE(source->is_closed(base::ShardId(0)));
  EXPECT_EQ(source->parents(base::ShardId(2)), (std::vector{base::ShardId(0), base::ShardId(1)}));
}

}  // namespace
}  // namespace millrace::source
