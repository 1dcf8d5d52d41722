#include "source/kafka_state.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using base::ShardId;

class KafkaStateTest : public testing::Test {
 protected:
  std::unique_ptr<KafkaState> open(const std::string& topic = "orders") {
    return KafkaState::open(disk_, folder_.path() / "state", topic).value();
  }
  std::string text() { return os::read_file(disk_, folder_.path() / "state" / "state").value(); }

  os::TestFolder folder_;
  os::RealDisk disk_;
};

TEST_F(KafkaStateTest, RemembersWhereReadingBegan) {
  EXPECT_FALSE(open()->has_begun());
  ASSERT_TRUE(open()->note_begins({{ShardId(0), Offset(5)}, {ShardId(1), Offset(0)}}));
  ASSERT_TRUE(open()->note_begins({{ShardId(0), Offset(9)}, {ShardId(2), Offset(7)}}));
  const auto state = open();
  EXPECT_EQ(state->begin(ShardId(0)), Offset(5)) << "it does not move";
  EXPECT_EQ(state->begin(ShardId(2)), Offset(7));
  EXPECT_FALSE(state->begin(ShardId(3)));
  EXPECT_EQ(text(), "millrace kafka 1 orders 1\nbegin 0 5\nbegin 1 0\nbegin 2 7\n");
}

TEST_F(KafkaStateTest, ANewLifeBeginsAnew) {
  ASSERT_TRUE(open()->note_begins({{ShardId(0), Offset(5)}}));
  ASSERT_TRUE(open()->end_life());
  EXPECT_EQ(open()->life(), 2);
  EXPECT_FALSE(open()->has_begun());
}

TEST_F(KafkaStateTest, AnotherTopicIsAnotherSource) {
  ASSERT_TRUE(open()->note_begins({{ShardId(0), Offset(5)}}));
  ASSERT_TRUE(open()->end_life());
  EXPECT_EQ(open("payments")->life(), 1);
  EXPECT_FALSE(open("payments")->has_begun());
}

TEST_F(KafkaStateTest, SaysWhereItIsDamaged) {
  const auto path = folder_.path() / "state" / "state";
  ASSERT_TRUE(open()->note_begins({{ShardId(0), Offset(5)}}));
  for (const auto* wrong :
       {"", "millrace kafka 1 orders\n", "millrace kafka 1 orders 0\n",
        "millrace kafka 2 orders 1\n", "millrace kafka 1 orders 1\nbegin 0\n",
        "millrace kafka 1 orders 1\nbegin 0 5", "millrace kafka 1 orders 1\nbegin 0 -5\n",
        "millrace kafka 1 orders 1\nend 0 5\n"}) {
    ASSERT_TRUE(os::write_file(disk_, path, wrong));
    const auto state = KafkaState::open(disk_, folder_.path() / "state", "orders");
    ASSERT_FALSE(state) << wrong;
    EXPECT_EQ(state.error().code, base::Code::Corrupt);
    EXPECT_THAT(state.error().place, testing::StartsWith(path.string()));
  }
}

}  // namespace
}  // namespace millrace::source
