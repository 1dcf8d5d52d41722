#include "source/kinesis_state.hpp"

#include <gtest/gtest.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "source/resting_source.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using base::ShardId;
using base::Time;
using std::chrono::microseconds;

class KinesisStateTest : public testing::Test {
 protected:
  std::unique_ptr<KinesisState> open(const std::string& incarnation = "1795435200000") {
    return KinesisState::open(disk_, folder_.path(), incarnation).value();
  }
  void put(const std::string& text) {
    ASSERT_TRUE(os::write_file(disk_, folder_.path() / "state", text));
  }

  os::TestFolder folder_;
  os::RealDisk disk_;
};

TEST_F(KinesisStateTest, RemembersWhatItWasTold) {
  auto state = open();
  EXPECT_TRUE(state->is_new());
  ASSERT_TRUE(state->begin(Time(microseconds(5))));
  ASSERT_TRUE(state->note_first(ShardId(3), {"4959", Time(microseconds(7))}));
  ASSERT_TRUE(state->note_ended(ShardId(1), Offset(93)));
  ASSERT_TRUE(state->note_quiet({{ShardId(3), {Offset(4), Time(microseconds(9))}}}));
  state = open();
  EXPECT_FALSE(state->is_new());
  EXPECT_EQ(state->start(), Time(microseconds(5)));
  EXPECT_EQ(state->first(ShardId(3))->sequence_number, "4959");
  EXPECT_EQ(state->first(ShardId(3))->arrived_at, Time(microseconds(7)));
  EXPECT_EQ(state->first(ShardId(0)), nullptr);
  EXPECT_EQ(state->quiet(ShardId(3))->position, Offset(4));
  EXPECT_EQ(state->ended(ShardId(1)), Offset(93));
}

TEST_F(KinesisStateTest, BeginsAnewForAnotherLifeOfTheStream) {
  ASSERT_TRUE(open()->begin(Time(microseconds(5))));
  const auto other = open("1795435200001");
  EXPECT_TRUE(other->is_new());
  EXPECT_FALSE(other->start());
}

TEST_F(KinesisStateTest, NamesTheLineThatIsDamaged) {
  const std::string head = "millrace kinesis 1 7\n";
  for (const auto* bad : {"first 0\n", "quiet 0 x 1\n", "ended 1\n", "start\n", "other 1\n",
                          "ended 1 2 3\n", "ended 1 2"}) {
    put(head + bad);
    const auto opened = KinesisState::open(disk_, folder_.path(), "7");
    ASSERT_FALSE(opened) << bad;
    EXPECT_EQ(opened.error().code, base::Code::Corrupt);
  }
  put("something else\n");
  EXPECT_FALSE(KinesisState::open(disk_, folder_.path(), "7"));
}

TEST_F(KinesisStateTest, TellsARestingSourceWhichLifeItIs) {
  EXPECT_EQ(open_resting_source(disk_, folder_.path()).value(), nullptr);
  ASSERT_TRUE(open()->begin({}));
  const auto resting = open_resting_source(disk_, folder_.path()).value();
  ASSERT_NE(resting, nullptr);
  EXPECT_EQ(resting->incarnation(), "1795435200000");
  EXPECT_EQ(resting->shard_count(), 0);
}

}  // namespace
}  // namespace millrace::source
