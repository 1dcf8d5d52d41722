#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

using namespace std::chrono_literals;

std::string again(std::string_view text) {
  return format_time(parse_time(text).value());
}

TEST(ParseTime, ReadsFractionsAndOffsets) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z").value(), Time{});
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z").value(), Time(1500ms));
  EXPECT_EQ(again("2026-11-23T08:30:00Z"), "2026-11-23T08:30:00.000000Z");
  EXPECT_EQ(again("2026-11-23t08:30:00z"), "2026-11-23T08:30:00.000000Z");
  EXPECT_EQ(again("2026-11-23 08:30:00.1+01:00"), "2026-11-23T07:30:00.100000Z");
  EXPECT_EQ(again("2026-11-23T00:15:00-0530"), "2026-11-23T05:45:00.000000Z");
  EXPECT_EQ(again("2026-11-23T00:15:00+02"), "2026-11-22T22:15:00.000000Z");
}

TEST(ParseTime, CutsWhatIsFinerThanAMicrosecond) {
  EXPECT_EQ(again("2026-11-23T08:30:00.123456999Z"), "2026-11-23T08:30:00.123456Z");
}

TEST(ParseTime, ReadsTheEdgesOfTheCalendar) {
  EXPECT_EQ(again("2024-02-29T00:00:00Z"), "2024-02-29T00:00:00.000000Z");
  EXPECT_EQ(again("1969-12-31T23:59:59.999999Z"), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(again("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00.000000Z");
  EXPECT_EQ(again("9999-12-31T23:59:59Z"), "9999-12-31T23:59:59.000000Z");
}

TEST(ParseTime, RefusesWhatIsNoMoment) {
  for (const auto* text : {"",
                           "now",
                           "2026-11-23",
                           "2026-11-23T08:30:00",
                           "2026-11-23T08:30Z",
                           "2026-02-29T00:00:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-11-31T00:00:00Z",
                           "2026-11-23T24:00:00Z",
                           "2026-11-23T08:60:00Z",
                           "2026-11-23T08:30:60Z",
                           "2026-11-23T08:30:00.Z",
                           "2026-11-23T08:30:00+",
                           "2026-11-23T08:30:00+02:",
                           "2026-11-23T08:30:00+19:00",
                           "2026-11-23T08:30:00+01:60",
                           "2026-11-23T08:30:00Zz",
                           " 2026-11-23T08:30:00Z",
                           "26-11-23T08:30:00Z",
                           "2026-11-23T08:30:00,5Z"}) {
    const auto time = parse_time(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code, Code::Invalid);
  }
}

TEST(ParseTime, ShowsBadBytesPrintably) {
  EXPECT_EQ(parse_time("\x1b[31m\xff").error().message,
            "'\\x1b[31m\\xff' is not a time like 2026-11-23T08:30:00Z");
}

TEST(FixedClock, MovesOnlyWhenTold) {
  FixedClock clock(Time(5s));
  const SteadyTime start = clock.steady_now();
  EXPECT_EQ(clock.now(), Time(5s));
  clock.advance(3s);
  EXPECT_EQ(clock.now(), Time(8s));
  EXPECT_EQ(clock.steady_now() - start, 3s);
}

TEST(FixedClock, SettingTheTimeDoesNotMoveTheSteadyOne) {
  FixedClock clock(Time(5s));
  const SteadyTime start = clock.steady_now();
  clock.set(Time(1s));
  EXPECT_EQ(clock.now(), Time(1s));
  EXPECT_EQ(clock.steady_now(), start);
}

TEST(SystemClock, IsInThisCentury) {
  const SystemClock clock;
  EXPECT_GT(clock.now(), parse_time("2024-01-01T00:00:00Z").value());
  const SteadyTime before = clock.steady_now();
  EXPECT_LE(before, clock.steady_now());
}

}  // namespace
}  // namespace millrace::base
