#include "verify/visibility.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::verify {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const base::Time kStart = base::parse_time("2026-11-20T12:00:00Z").value();

TEST(Visibility, MeasuresFromTheDueTimeToTheAnswerThatShowsARecord) {
  Visibility visibility({});
  visibility.offer("a", kStart, false);
  visibility.offer("b", kStart + 10ms, false);
  visibility.offer("c", kStart + 20ms, true);
  EXPECT_THAT(visibility.wanted(kStart + 10ms), ElementsAre("a", "b"));
  visibility.seen({"b"}, kStart + 15ms);
  EXPECT_THAT(visibility.wanted(kStart + 30ms), ElementsAre("a", "c"));
  visibility.seen({"a", "c"}, kStart + 60ms);
  EXPECT_THAT(visibility.wanted(kStart + 1h), IsEmpty());
  EXPECT_EQ(visibility.pending_count(), 0U);
  EXPECT_EQ(visibility.calm().count(), 2U);
  EXPECT_EQ(visibility.calm().max(), 60ms);
  EXPECT_EQ(visibility.burst().count(), 1U);
  EXPECT_EQ(visibility.burst().max(), 40ms);
}

TEST(Visibility, TakesNoMoreMarkersThanAsked) {
  Visibility visibility({.between_markers = 10ms});
  for (int i = 0; i < 1'000; ++i) {
    visibility.offer(std::to_string(i), kStart + i * 1ms, false);
  }
  EXPECT_EQ(visibility.pending_count(), 100U);
}

TEST(Visibility, AsksForTheOldestFirstAndForAFewAtATime) {
  Visibility visibility({.between_markers = 1ms, .keys_per_query_max = 3});
  for (int i = 0; i < 10; ++i) visibility.offer(std::to_string(i), kStart + i * 1ms, false);
  EXPECT_THAT(visibility.wanted(kStart + 1s), ElementsAre("0", "1", "2"));
  visibility.seen({"1"}, kStart + 1s);
  EXPECT_THAT(visibility.wanted(kStart + 1s), ElementsAre("0", "2", "3"));
}

TEST(Visibility, CountsARecordOnceAndOnlyItsOwn) {
  Visibility visibility({});
  visibility.offer("a", kStart, false);
  visibility.seen({"a", "stranger"}, kStart + 5ms);
  visibility.seen({"a"}, kStart + 5s);
  EXPECT_EQ(visibility.calm().count(), 1U);
  EXPECT_EQ(visibility.calm().max(), 5ms);
  EXPECT_EQ(visibility.pending_count(), 0U);
}

}  // namespace
}  // namespace millrace::verify
