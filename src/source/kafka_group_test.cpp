#include "source/kafka_group.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "source/test_kafka.hpp"

namespace millrace::source {
namespace {

using namespace std::chrono_literals;
using base::ShardId;

class KafkaGroupTest : public testing::Test {
 protected:
  KafkaGroupTest() {
    fake_.create("orders", 4);
    settings_.brokers = fake_.brokers();
    settings_.topic = "orders";
    settings_.group = "shop/orders";
    settings_.has_many_workers = true;
    settings_.options = {{"heartbeat.interval.ms", "100"}, {"session.timeout.ms", "6000"}};
  }
  std::unique_ptr<KafkaGroup> join(std::chrono::milliseconds give_up_max = 20s) {
    return KafkaGroup::open(settings_, {.give_up_max = give_up_max, .on_change = [] {}}).value();
  }
  static std::size_t count(const KafkaGroup& member) {
    const auto share = member.share();
    return share->given.size() - share->leaving.size();
  }
  static bool wait_for(const std::function<bool()>& is_so) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!is_so() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
    return is_so();
  }
  static void give_up_all(KafkaGroup& member) {
    const auto share = member.share();
    for (const auto id : share->leaving) member.give_up(id);
  }

  FakeKafka fake_;
  config::KafkaSource settings_;
};

TEST_F(KafkaGroupTest, MembersDivideThePartitionsAndTakeOverWhatOneLeaves) {
  auto first = join();
  ASSERT_TRUE(wait_for([&] { return count(*first) == 4; }));
  const auto given = first->share()->given;
  auto second = join();
  ASSERT_TRUE(wait_for([&] { return first->share()->leaving.size() == 2; }));
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(count(*second), 0U) << "they are not the other's before they are given up";
  ASSERT_TRUE(wait_for([&] {
    give_up_all(*first);
    return count(*first) == 2 && count(*second) == 2;
  }));
  for (const auto& [id, number] : first->share()->given) {
    EXPECT_EQ(given.at(id), number) << "what stays was never away";
    EXPECT_FALSE(second->share()->given.contains(id));
  }
  EXPECT_EQ(first->trouble(), "");
  first.reset();
  EXPECT_TRUE(wait_for([&] { return count(*second) == 4; }));
}

TEST_F(KafkaGroupTest, WhatIsNotGivenUpIsTakenAfterAWhile) {
  const auto first = join(200ms);
  ASSERT_TRUE(wait_for([&] { return count(*first) == 4; }));
  const auto second = join();
  EXPECT_TRUE(wait_for([&] { return count(*second) == 2; }));
  EXPECT_EQ(first->share()->given.size(), 2U);
}

TEST_F(KafkaGroupTest, SaysWhatLibrdkafkaRefuses) {
  settings_.options["session.timeout.ms"] = "soon";
  const auto wrong = KafkaGroup::open(settings_, {.on_change = [] {}});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().text().find("session.timeout.ms"), std::string::npos);
}

}  // namespace
}  // namespace millrace::source
