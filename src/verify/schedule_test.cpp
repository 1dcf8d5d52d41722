#include "verify/schedule.hpp"

#include <gtest/gtest.h>

namespace millrace::verify {
namespace {

using namespace std::chrono_literals;
using base::Code;

Schedule schedule_of(double rate, std::vector<Burst> bursts = {}) {
  return Schedule::make(rate, std::move(bursts)).value();
}

TEST(Burst, IsReadFromItsText) {
  const Burst burst = parse_burst("10x@20s/5s").value();
  EXPECT_EQ(burst.factor, 10);
  EXPECT_EQ(burst.start, 20s);
  EXPECT_EQ(burst.length, 5s);
  EXPECT_EQ(parse_burst("2.5x@1m30s/500ms").value().factor, 2.5);
}

TEST(Burst, RefusesOtherTexts) {
  for (const char* text : {"", "10x", "10@20s/5s", "x@20s/5s", "10x@20/5s", "10x@20s/0s",
                           "0x@20s/5s", "-1x@20s/5s", "10x@20s/5s/6s", "10 x@20s/5s", "/x@"}) {
    const auto burst = parse_burst(text);
    ASSERT_FALSE(burst) << text;
    EXPECT_EQ(burst.error().code, Code::Invalid);
    EXPECT_NE(burst.error().message.find("10x@20s/5s"), std::string::npos);
  }
}

TEST(Schedule, SpacesRecordsEvenly) {
  const Schedule schedule = schedule_of(100);
  EXPECT_EQ(schedule.due(0), 0us);
  EXPECT_EQ(schedule.due(1), 10ms);
  EXPECT_EQ(schedule.due(6'000), 60s);
  EXPECT_EQ(schedule.count_before(0us), 0U);
  EXPECT_EQ(schedule.count_before(1us), 1U);
  EXPECT_EQ(schedule.count_before(60s), 6'000U);
}

TEST(Schedule, SendsTenTimesAsManyInATenfoldBurst) {
  const Schedule schedule = schedule_of(100, {parse_burst("10x@20s/5s").value()});
  EXPECT_EQ(schedule.count_before(20s), 2'000U);
  EXPECT_EQ(schedule.count_before(25s), 2'000U + 5'000U);
  EXPECT_EQ(schedule.count_before(30s), 2'000U + 5'000U + 500U);
  EXPECT_EQ(schedule.due(2'001) - schedule.due(2'000), 1ms);
  EXPECT_EQ(schedule.due(7'001) - schedule.due(7'000), 10ms);
  EXPECT_FALSE(schedule.is_burst(19'999'999us));
  EXPECT_TRUE(schedule.is_burst(20s));
  EXPECT_TRUE(schedule.is_burst(24'999'999us));
  EXPECT_FALSE(schedule.is_burst(25s));
}

TEST(Schedule, NeverGoesBackAndCountsWhatItSends) {
  const Schedule schedule = schedule_of(
      317.7, {parse_burst("7x@1s/333ms").value(), parse_burst("0.1x@1333ms/2s").value()});
  auto before = schedule.due(0);
  for (std::uint64_t index = 1; index < 5'000; ++index) {
    const auto due = schedule.due(index);
    ASSERT_GE(due, before) << index;
    ASSERT_GT(schedule.count_before(due + 1us), index);
    if (due > before) {
      ASSERT_LE(schedule.count_before(due), index);
    }
    before = due;
  }
}

TEST(Schedule, StaysExactForLong) {
  const Schedule schedule = schedule_of(1'000'000);
  EXPECT_EQ(schedule.due(1'000'000'000'000), 1'000'000s);
  EXPECT_EQ(schedule.count_before(1'000'000s), 1'000'000'000'000U);
}

TEST(Schedule, RefusesBurstsThatOverlapAndRatesOutOfRange) {
  const auto overlapping =
      Schedule::make(100, {parse_burst("10x@20s/5s").value(), parse_burst("2x@24s/5s").value()});
  ASSERT_FALSE(overlapping);
  EXPECT_EQ(overlapping.error().message,
            "the burst at 24s begins before the one before it ends (at 25s)");
  EXPECT_FALSE(Schedule::make(0, {}));
  EXPECT_FALSE(Schedule::make(-1, {}));
  EXPECT_FALSE(Schedule::make(1e9, {}));
  EXPECT_FALSE(Schedule::make(5'000'000, {parse_burst("10x@20s/5s").value()}));
}

}  // namespace
}  // namespace millrace::verify
