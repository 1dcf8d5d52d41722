#include "log/stream_file.hpp"

#include <gtest/gtest.h>

#include "log/test_stream.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::ShardId;
using namespace std::chrono_literals;

const base::Time kNow = *base::parse_time("2026-11-20T12:00:00Z");

// The example of docs/formats/log.md.
constexpr std::string_view kExample =
    "millrace log 2\n"
    "incarnation 3f2504e0-4f89-41d3-9a0c-0305e82c3301\n"
    "created 1795262400000000\n"
    "asked 1 604800000000\n"
    "retention 604800000000\n"
    "shard 00000000000000000000000000000000 ffffffffffffffffffffffffffffffff 1795262400000000 - - "
    "1795266000000000\n"
    "shard 00000000000000000000000000000000 7fffffffffffffffffffffffffffffff 1795266000000000 0 - "
    "-\n"
    "shard 80000000000000000000000000000000 ffffffffffffffffffffffffffffffff 1795266000000000 0 - "
    "-\n"
    "tag =team =web%20shop\n"
    "consumer =reader 1795266000000000\n"
    "end\n";

TEST(StreamFile, ReadsAndWritesTheDocumentsExample) {
  const auto file = parse_stream_file(kExample, {});
  ASSERT_TRUE(file);
  EXPECT_EQ(file->created_at, *base::parse_time("2026-11-21T12:00:00Z"));
  EXPECT_EQ(file->shards.count(), 3);
  EXPECT_EQ(file->shards.at(ShardId(0)).closed_at, file->created_at + 1h);
  EXPECT_EQ(file->shards.at(ShardId(2)).parent, ShardId(0));
  EXPECT_EQ(file->tags.at("team"), "web shop");
  EXPECT_EQ(file->retention, 168h);
  EXPECT_EQ(file->asked->shards, 1);
  EXPECT_EQ(text_of(*file), kExample);
}

TEST(StreamFile, KeepsWhatKinesisApiChanges) {
  auto file = *parse_stream_file(kExample, {});
  EXPECT_EQ(file.record_bytes_max, kRecordBytesUsual);
  EXPECT_FALSE(file.is_on_demand);
  file.record_bytes_max = 2_MiB;
  file.is_on_demand = true;
  const auto read = parse_stream_file(text_of(file), {});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->record_bytes_max, 2_MiB);
  EXPECT_TRUE(read->is_on_demand);
}

TEST(StreamFile, RefusesEveryCutOfItsText) {
  for (std::size_t bytes = 0; bytes < kExample.size(); ++bytes) {
    EXPECT_FALSE(parse_stream_file(kExample.substr(0, bytes), {})) << bytes;
  }
}

TEST(StreamFile, KeepsTagsOfAnyText) {
  auto file = *parse_stream_file(kExample, {});
  file.tags = {{"", ""}, {"a b", "100%\n=\x7f"}, {"ü", "-"}};
  EXPECT_EQ(parse_stream_file(text_of(file), {})->tags, file.tags);
}

class StreamFileFolder : public testing::Test {
 protected:
  base::Result<StreamFile> open(StreamOptions options) {
    return open_stream_file(disk_, folder_, options, random_, kNow);
  }
  std::string text() { return os::read_file(disk_, folder_ / "stream").value(); }
  void write(std::string_view bytes) {
    ASSERT_TRUE(disk_.make_directories(folder_));
    ASSERT_TRUE(os::write_file(disk_, folder_ / "stream", bytes));
  }

  os::TestFolder test_folder_;
  os::Path folder_ = test_folder_.path() / "log" / "orders";
  os::RealDisk disk_;
  base::Random random_{7};
};

TEST_F(StreamFileFolder, TakesAFileOfVersion1AsEvenRangesAndWritesItAnew) {
  write("millrace log 1\nincarnation 3f2504e0-4f89-41d3-9a0c-0305e82c3301\nshards 3\n");
  const auto file = open({.name = "orders", .shards = 3, .retention_time = 24h});
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->incarnation, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
  EXPECT_EQ(file->shards.open_count(), 3);
  EXPECT_EQ(file->shards.count(), 3);
  EXPECT_EQ(file->shards.at(ShardId(1)).created_at, kNow);
  EXPECT_EQ(file->retention, 24h);
  EXPECT_EQ(text(), text_of(*file));
  EXPECT_TRUE(text().starts_with("millrace log 2\n"));
}

TEST_F(StreamFileFolder, DoesWhatThePipelineFileAsksForAnewAndLeavesTheRest) {
  ASSERT_TRUE(open({.name = "orders", .shards = 2, .retention_time = 24h}));
  auto file = *open({.name = "orders", .shards = 2, .retention_time = 24h});
  file.shards = *file.shards.spread(5, kNow);
  file.retention = 99h;
  ASSERT_TRUE(write_stream_file(disk_, folder_, file));
  EXPECT_EQ(open({.name = "orders", .shards = 2, .retention_time = 24h})->shards.open_count(), 5);
  EXPECT_EQ(open({.name = "orders", .shards = 3, .retention_time = 24h})->shards.open_count(), 3);
  EXPECT_EQ(open({.name = "orders", .shards = 3, .retention_time = 24h})->retention, 99h);
  EXPECT_EQ(open({.name = "orders", .shards = 3, .retention_time = 48h})->retention, 48h);
}

TEST_F(StreamFileFolder, KeepsTheShardsOfAStreamThatBecomesASource) {
  const auto made = *open({.name = "orders", .origin = Origin::Api, .shards = 4});
  EXPECT_FALSE(made.asked);
  const auto file = *open({.name = "orders", .shards = 1, .retention_time = 48h});
  EXPECT_EQ(file.shards.open_count(), 4);
  EXPECT_EQ(file.retention, 48h);
  EXPECT_EQ(file.incarnation, made.incarnation);
}

TEST_F(StreamFileFolder, RefusesWhatItDoesNotKnow) {
  for (const std::string text :
       {"", "millrace log 3\nend\n", "millrace log 1\nincarnation x\nshards 1\n",
        "millrace log 1\nincarnation 3f2504e0-4f89-41d3-9a0c-0305e82c3301\nshards 0\n"}) {
    write(text);
    EXPECT_EQ(open({.name = "orders"}).error().code, Code::Corrupt) << text;
  }
}

}  // namespace
}  // namespace millrace::log
