#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/format.hpp"
#include "log/test_stream.hpp"
#include "os/sim_disk.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::Offset;
using base::ShardId;
using testing::HasSubstr;

using Bodies = std::vector<std::string>;

// A batch of one record of three bytes.
constexpr std::size_t kSmallBatchBytes = kBatchHeaderBytes + 3 + 3;

class RecoveryTest : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Stream>> open(std::uint64_t segment_bytes = 1_MiB) {
    return Stream::open(folder_, {.name = "orders", .segment_bytes = segment_bytes},
                        tools_.on(disk_));
  }
  // Each body is a group of its own. The process is then killed: no marker is written.
  void write_and_die(const Bodies& bodies, std::uint64_t segment_bytes = 1_MiB) {
    auto stream = open(segment_bytes);
    ASSERT_TRUE(stream) << stream.error().text();
    for (const auto& body : bodies) {
      const auto done = (*stream)->append_and_wait(records_of({body}));
      ASSERT_TRUE(done) << done.error().text();
    }
    os::TestFolder aside;
    std::filesystem::copy(folder_, aside.path() / "log", std::filesystem::copy_options::recursive);
    stream->reset();
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(aside.path() / "log", folder_, std::filesystem::copy_options::recursive);
  }
  std::string bytes_of(const os::Path& path) { return *os::read_file(disk_, path); }
  void overwrite(const os::Path& path, const std::string& bytes) {
    ASSERT_TRUE(disk_.remove(path));
    const auto file = disk_.open(path, os::OpenMode::CreateNew);
    ASSERT_TRUE((*file)->append(bytes));
  }

  os::TestFolder test_folder_;
  os::Path folder_ = test_folder_.path() / "orders";
  // For its speed: its syncs cost nothing.
  std::unique_ptr<os::SimDisk> sim_ = os::SimDisk::open({.root = test_folder_.path()}).value();
  os::Disk& disk_ = *sim_;
  TestTools tools_;
};

TEST_F(RecoveryTest, ATailTornAtAnyByteLeavesWhatWasWrittenBefore) {
  write_and_die({"one", "two", "three"});
  const os::Path path = segments_of(folder_).at(0);
  const std::string whole = bytes_of(path);
  for (std::size_t size = kSegmentHeaderBytes + 2 * kSmallBatchBytes; size <= whole.size();
       ++size) {
    for (const bool is_zeroed : {false, true}) {
      for (const auto& segment : segments_of(folder_)) ASSERT_TRUE(disk_.remove(segment));
      std::string torn = whole.substr(0, size);
      if (is_zeroed) torn.resize(whole.size() + 100, '\0');
      const auto file = disk_.open(path, os::OpenMode::CreateNew);
      ASSERT_TRUE((*file)->append(torn));
      auto stream = open();
      ASSERT_TRUE(stream) << size << ": " << stream.error().text();
      Bodies expected = {"one", "two"};
      if (size == whole.size()) expected.emplace_back("three");
      EXPECT_EQ(*bodies_of(**stream), expected) << size;
      ASSERT_TRUE((*stream)->append_and_wait(records_of({"new"})));
      stream->reset();
      expected.emplace_back("new");
      EXPECT_EQ(*bodies_of(**open()), expected) << size;
    }
  }
}

TEST_F(RecoveryTest, AFlippedBitBeforeTheLastGroupIsCorruptAndNamesOffsetsAndFile) {
  write_and_die({"one", "two", "three"});
  const os::Path path = segments_of(folder_).at(0);
  const std::string whole = bytes_of(path);
  const std::size_t second_end = kSegmentHeaderBytes + 2 * kSmallBatchBytes;
  for (std::size_t byte = kSegmentHeaderBytes; byte < second_end; ++byte) {
    std::string damaged = whole;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 0x10);
    overwrite(path, damaged);
    const auto stream = open();
    ASSERT_FALSE(stream) << byte;
    EXPECT_EQ(stream.error().code, Code::Corrupt);
    const bool is_first = byte < kSegmentHeaderBytes + kSmallBatchBytes;
    EXPECT_THAT(stream.error().text(),
                HasSubstr(is_first ? "from offset 0 to before" : "from offset 1 to before 2"));
    EXPECT_THAT(stream.error().text(), HasSubstr(path.string()));
  }
}

TEST_F(RecoveryTest, AFlippedBitAnywhereInASealedSegmentIsFoundWhenItIsRead) {
  write_and_die({"one", "two", "three"}, 130);
  const auto segments = segments_of(folder_);
  ASSERT_EQ(segments.size(), 2);
  const std::string whole = bytes_of(segments[0]);
  for (std::size_t bit = kSegmentHeaderBytes * 8; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    overwrite(segments[0], damaged);
    auto stream = open();
    ASSERT_TRUE(stream) << stream.error().text();
    const auto bodies = bodies_of(**stream);
    ASSERT_FALSE(bodies) << "bit " << bit;
    EXPECT_EQ(bodies.error().code, Code::Corrupt);
    EXPECT_THAT(bodies.error().text(), HasSubstr(segments[0].string()));
    EXPECT_THAT(bodies.error().text(), HasSubstr("from offset "));
    EXPECT_EQ(*bodies_of(**stream, 0, Offset(2)), Bodies{"three"}) << "the rest is still there";
    // What was before the damage is still given out.
    if (bit / 8 >= kSegmentHeaderBytes + kSmallBatchBytes) {
      EXPECT_EQ((*stream)->read(ShardId(0), Offset(0), 3)->records.front().bytes, "one");
    }
  }
}

TEST_F(RecoveryTest, ADamagedOrForeignSegmentHeaderIsCorrupt) {
  write_and_die({"one", "two"}, 100);
  const auto segments = segments_of(folder_);
  ASSERT_EQ(segments.size(), 2);
  const auto code = [&] {
    const auto stream = open();
    return stream ? Code::Cancelled : stream.error().code;
  };
  const std::string good = bytes_of(segments[0]);
  for (const std::size_t byte : {0U, 9U, 30U, 60U}) {
    std::string damaged = good;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 1);
    overwrite(segments[0], damaged);
    EXPECT_EQ(code(), Code::Corrupt);
  }
  overwrite(segments[0], bytes_of(segments[1]));
  EXPECT_EQ(code(), Code::Corrupt) << "the other segment's bytes under this one's name";
  overwrite(segments[0], "");
  EXPECT_EQ(code(), Code::Corrupt);
  overwrite(segments[0], good);
  EXPECT_EQ(*bodies_of(**open()), (Bodies{"one", "two"}));
}

TEST_F(RecoveryTest, ABatchOfAnotherPlaceOrLifeDoesNotCount) {
  write_and_die({"one", "two", "tri"});
  const os::Path path = segments_of(folder_).at(0);
  std::string bytes = bytes_of(path);
  // The second batch's bytes over the third's: a write that went astray.
  const std::size_t batch = kSmallBatchBytes;
  bytes.replace(kSegmentHeaderBytes + 2 * batch, batch, bytes, kSegmentHeaderBytes + batch, batch);
  overwrite(path, bytes);
  EXPECT_EQ(*bodies_of(**open()), (Bodies{"one", "two"}));
}

TEST_F(RecoveryTest, AMissingSegmentInTheMiddleIsCorrupt) {
  write_and_die({"one", "two", "three"}, 100);
  const auto segments = segments_of(folder_);
  ASSERT_EQ(segments.size(), 3);
  ASSERT_TRUE(disk_.remove(segments[1]));
  auto stream = open();
  ASSERT_TRUE(stream);
  const auto bodies = bodies_of(**stream);
  ASSERT_FALSE(bodies);
  EXPECT_EQ(bodies.error().code, Code::Corrupt);
  EXPECT_THAT(bodies.error().text(), HasSubstr("from offset 1 to before 2"));
}

TEST_F(RecoveryTest, AKilledLifesLastRecordsAreWrittenAnewOnce) {
  write_and_die({"one", "two"});
  EXPECT_EQ(segments_of(folder_).size(), 1);
  EXPECT_EQ(*bodies_of(**open()), (Bodies{"one", "two"}));
  EXPECT_EQ(segments_of(folder_).size(), 2);
  EXPECT_EQ(*bodies_of(**open()), (Bodies{"one", "two"}));
  EXPECT_EQ(segments_of(folder_).size(), 2) << "the copy says that it is durable";
}

TEST_F(RecoveryTest, ALifeThatClosedLeavesNothingToDo) {
  ASSERT_TRUE((*open())->append_and_wait(records_of({"one"})));
  EXPECT_EQ(*bodies_of(**open()), Bodies{"one"});
  EXPECT_EQ(segments_of(folder_).size(), 1);
}

TEST_F(RecoveryTest, UnfinishedFilesAreRemovedAndStrangeOnesLeftAlone) {
  write_and_die({"one"});
  const os::Path unfinished = folder_ / "0000" / "0000000009-00000000000000000001.log.new";
  const os::Path strange = folder_ / "0000" / "notes.txt";
  for (const auto& path : {unfinished, strange}) ASSERT_TRUE(os::write_file(disk_, path, "x"));
  EXPECT_EQ(*bodies_of(**open()), Bodies{"one"});
  EXPECT_FALSE(*disk_.stat(unfinished));
  EXPECT_TRUE(*disk_.stat(strange));
}

TEST_F(RecoveryTest, AMissingOrDamagedStreamFileIsCorrupt) {
  write_and_die({"one"});
  const os::Path path = folder_ / "stream";
  const std::string good = bytes_of(path);
  for (const std::string& bad : {std::string(), std::string("millrace log 3\n") + good.substr(15),
                                 good + "x", good.substr(0, 40)}) {
    overwrite(path, bad);
    const auto stream = open();
    ASSERT_FALSE(stream) << bad;
    EXPECT_EQ(stream.error().code, Code::Corrupt);
  }
  ASSERT_TRUE(disk_.remove(path));
  EXPECT_EQ(open().error().code, Code::Corrupt);
}

}  // namespace
}  // namespace millrace::log
