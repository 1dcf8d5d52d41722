#include "log/stream_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/test_stream.hpp"
#include "os/sim_disk.hpp"

namespace millrace::log {
namespace {

using base::Code;
using testing::ElementsAre;
using testing::IsEmpty;

class StreamSetTest : public testing::Test {
 protected:
  std::unique_ptr<StreamSet> open(os::Disk& disk) {
    auto set = StreamSet::open({.folder = folder_, .made = {}}, tools_.on(disk));
    EXPECT_TRUE(set) << set.error().text();
    return std::move(set).value();
  }

  os::TestFolder test_folder_;
  os::Path folder_ = test_folder_.path() / "log";
  os::RealDisk disk_;
  TestTools tools_;
};

TEST_F(StreamSetTest, StreamsThatWereMadeAreThereAfterARestart) {
  {
    auto set = open(disk_);
    ASSERT_TRUE(set->add({.name = "orders"}));
    for (const auto* name : {"clicks", "..", ".x"}) ASSERT_TRUE(set->create(name, 2)) << name;
    ASSERT_TRUE(set->find("..")->append_and_wait(records_of({"a"})));
  }
  auto set = open(disk_);
  EXPECT_THAT(set->names(), IsEmpty());
  ASSERT_TRUE(set->add_made());
  EXPECT_THAT(set->names(), ElementsAre("..", ".x", "clicks"))
      << "orders was a source, and is none";
  EXPECT_THAT(*bodies_of(*set->find("..")), ElementsAre("a"));
  EXPECT_EQ(set->find("clicks")->shard_count(), 2);
  EXPECT_EQ(set->create("orders", 1).error().code, Code::Invalid) << "its records are still there";
  EXPECT_EQ(set->create("clicks", 1).error().code, Code::Invalid);
  EXPECT_EQ(set->find("nothing"), nullptr);
}

TEST_F(StreamSetTest, DeletesWhatWasMadeButNoSource) {
  auto set = open(disk_);
  ASSERT_TRUE(set->add({.name = "orders"}));
  const auto held = set->create("clicks", 1).value();
  ASSERT_TRUE(held->append_and_wait(records_of({"a"})));
  EXPECT_EQ(set->remove("orders").error().code, Code::Denied);
  EXPECT_EQ(set->remove("nothing").error().code, Code::NotFound);
  ASSERT_TRUE(set->remove("clicks"));
  EXPECT_THAT(set->names(), ElementsAre("orders"));
  EXPECT_EQ(held->append_and_wait(records_of({"b"})).error().code, Code::Cancelled);
  const auto again = set->create("clicks", 1).value();
  EXPECT_NE(again->incarnation(), held->incarnation());
  EXPECT_THAT(*bodies_of(*again), IsEmpty());
}

TEST_F(StreamSetTest, AStreamThatWasMadeMayBecomeASource) {
  {
    auto set = open(disk_);
    ASSERT_TRUE(set->create("clicks", 3)->get()->append_and_wait(records_of({"a"})));
  }
  auto set = open(disk_);
  const auto stream = set->add({.name = "clicks", .shards = 1}).value();
  EXPECT_EQ(stream->shard_count(), 3);
  EXPECT_THAT(*bodies_of(*stream), ElementsAre("a"));
  EXPECT_EQ(set->remove("clicks").error().code, Code::Denied);
}

TEST_F(StreamSetTest, KeepsToItsLimit) {
  auto set = StreamSet::open({.folder = folder_, .made = {}, .streams_max = 1}, tools_.on(disk_));
  ASSERT_TRUE((*set)->create("a", 1));
  EXPECT_EQ((*set)->create("b", 1).error().code, Code::Exhausted);
}

// The power goes at every call of making and deleting: a stream is there or not, and works.
TEST_F(StreamSetTest, ACutLeavesNoHalfStream) {
  for (std::uint64_t nth = 1;; ++nth) {
    os::TestFolder test_folder;
    auto disk = os::SimDisk::open({.root = test_folder.path(), .seed = nth}).value();
    const StreamSet::Options options{.folder = test_folder.path() / "log", .made = {}};
    disk->cut_at(nth);
    bool was_made = false;
    bool was_deleted = false;
    if (auto set = StreamSet::open(options, tools_.on(*disk))) {
      was_made = (*set)->create("a", 2).has_value();
      was_deleted = was_made && (*set)->remove("a").has_value();
    }
    ASSERT_TRUE(disk->power_cycle());
    auto set = StreamSet::open(options, tools_.on(*disk)).value();
    const auto added = set->add_made();
    ASSERT_TRUE(added) << nth << ": " << added.error().text();
    if (was_deleted) {
      EXPECT_THAT(set->names(), IsEmpty()) << nth;
    }
    if (!set->find("a")) {
      const auto made = set->create("a", 2);
      ASSERT_TRUE(made) << nth << ": " << made.error().text();
    }
    ASSERT_TRUE(set->find("a")->append_and_wait(records_of({"x"}))) << nth;
    if (was_deleted) break;
  }
}

}  // namespace
}  // namespace millrace::log
