#include "config/cron.hpp"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

/// The next times after `start`, as clocks in `zone` show them with their offset from UTC.
std::string times(std::string_view expression, std::string_view zone_name, std::string_view start,
                  int count) {
  const auto zone = TimeZone::find(zone_name).value();
  const auto cron = Cron::parse(expression).value();
  auto time = base::parse_time(start).value();
  std::string out;
  for (int i = 0; i < count; ++i) {
    time = cron.next_after(time, zone);
    const auto wall = zone.wall(time).time_since_epoch();
    const auto offset =
        std::chrono::duration_cast<std::chrono::minutes>(wall - time.time_since_epoch()).count();
    out += (i > 0 ? ", " : "") + base::format_time(base::Time(wall)).substr(5, 11) +
           (offset < 0 ? "-" : "+") + std::to_string(std::abs(offset));
  }
  return out;
}
std::string error(std::string_view expression) {
  const auto cron = Cron::parse(expression);
  return cron ? "none" : cron.error().message;
}

TEST(Cron, FiresAtTheFieldsTimes) {
  const auto utc = [](std::string_view expression, int count) {
    return times(expression, "UTC", "2026-11-20T12:00:00Z", count);  // a Friday
  };
  EXPECT_EQ(utc("0 1 * * *", 2), "11-21T01:00+0, 11-22T01:00+0");
  EXPECT_EQ(utc("*/20 * * * *", 3), "11-20T12:20+0, 11-20T12:40+0, 11-20T13:00+0");
  EXPECT_EQ(utc("5-10/3,30 6 * * *", 3), "11-21T06:05+0, 11-21T06:08+0, 11-21T06:30+0");
  EXPECT_EQ(utc("0 0 * * mon-wed", 3), "11-23T00:00+0, 11-24T00:00+0, 11-25T00:00+0");
  EXPECT_EQ(utc("0 0 * * 7", 1), utc("0 0 * * sun", 1));
  EXPECT_EQ(utc("0 0 13 * FRI", 3), "11-27T00:00+0, 12-04T00:00+0, 12-11T00:00+0");
  EXPECT_EQ(utc("0 0 1 jan,Jul *", 2), "01-01T00:00+0, 07-01T00:00+0");
  EXPECT_EQ(utc("0 0 29 2 *", 1), "02-29T00:00+0");
  EXPECT_EQ(utc("@hourly", 1), "11-20T13:00+0");
  EXPECT_EQ(utc("@daily", 1), "11-21T00:00+0");
  EXPECT_EQ(utc("@weekly", 1), "11-22T00:00+0");
  EXPECT_EQ(utc("@monthly", 1), "12-01T00:00+0");
  EXPECT_EQ(utc("@yearly", 1), "01-01T00:00+0");
  EXPECT_EQ(utc("\t0  1 * *\t* ", 1), "11-21T01:00+0");
}

TEST(Cron, IsStrictlyAfterTheTime) {
  EXPECT_EQ(times("0 12 * * *", "UTC", "2026-11-20T12:00:00Z", 1), "11-21T12:00+0");
  EXPECT_EQ(times("0 12 * * *", "UTC", "2026-11-20T11:59:59.999999Z", 1), "11-20T12:00+0");
}

// Clocks went from 02:00 to 03:00 on March 29 and from 03:00 to 02:00 on October 25, 2026.
TEST(Cron, KeepsTheWallClockInBerlin) {
  const auto spring = [](std::string_view expression, int count) {
    return times(expression, "Europe/Berlin", "2026-03-28T12:00:00Z", count);
  };
  EXPECT_EQ(spring("0 1 * * *", 2), "03-29T01:00+60, 03-30T01:00+120");
  EXPECT_EQ(spring("30 2 * * *", 2), "03-29T03:00+120, 03-30T02:30+120");
  EXPECT_EQ(spring("0,30 2 * * *", 2), "03-29T03:00+120, 03-30T02:00+120");
  EXPECT_EQ(spring("30 1-4 * * *", 4),
            "03-29T01:30+60, 03-29T03:00+120, 03-29T03:30+120, "
            "03-29T04:30+120");
  const auto autumn = [](std::string_view expression, int count) {
    return times(expression, "Europe/Berlin", "2026-10-24T22:30:00Z", count);
  };
  EXPECT_EQ(autumn("30 2 * * *", 2), "10-25T02:30+120, 10-26T02:30+60");
  EXPECT_EQ(autumn("0 3 * * *", 2), "10-25T03:00+60, 10-26T03:00+60");
}

TEST(Cron, WithAStarFollowsTheRealTime) {
  EXPECT_EQ(times("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
            "03-29T01:30+60, 03-29T03:30+120, 03-29T04:30+120");
  EXPECT_EQ(times("30 * * * *", "Europe/Berlin", "2026-10-24T23:50:00Z", 4),
            "10-25T02:30+120, 10-25T02:30+60, 10-25T03:30+60, 10-25T04:30+60");
  EXPECT_EQ(times("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:50:00Z", 5),
            "10-25T02:00+120, 10-25T02:30+120, 10-25T02:00+60, 10-25T02:30+60, 10-26T02:00+60");
}

// From 02:00 to 03:00 on March 8 and from 02:00 to 01:00 on November 1, 2026.
TEST(Cron, KeepsTheWallClockInNewYork) {
  EXPECT_EQ(times("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2),
            "03-08T03:00-240, 03-09T02:30-240");
  EXPECT_EQ(times("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2),
            "11-01T01:30-240, 11-02T01:30-300");
  EXPECT_EQ(times("0 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", 1), "11-02T01:00-300");
}

// By half an hour: from 02:00 to 02:30 on October 4, from 02:00 to 01:30 on April 5, 2026.
TEST(Cron, KeepsTheWallClockOnLordHowe) {
  EXPECT_EQ(times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2),
            "10-04T02:30+660, 10-05T02:15+660");
  EXPECT_EQ(times("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", 2),
            "04-05T01:45+660, 04-06T01:45+630");
  EXPECT_EQ(times("*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:20:00Z", 6),
            "04-05T01:30+660, 04-05T01:45+660, 04-05T01:30+630, 04-05T01:45+630, "
            "04-05T02:00+630, 04-05T02:15+630");
}

TEST(Cron, SaysWhichFieldIsWrong) {
  EXPECT_EQ(error("0 1 * *"),
            "a schedule has five fields (minute, hour, day of month, month, day of week), like "
            "\"0 1 * * *\"; '0 1 * *' has 4");
  EXPECT_EQ(error("60 1 * * *"),
            "the minute '60' is not within 0 to 59, a list, a range or a step");
  EXPECT_EQ(error("0 25 * * *"), "the hour '25' is not within 0 to 23, a list, a range or a step");
  EXPECT_EQ(error("0 0 0 * *"),
            "the day of month '0' is not within 1 to 31, a list, a range or a step");
  EXPECT_EQ(error("0 0 * foo *"),
            "the month 'foo' is not within 1 to 12, a list, a range or a step");
  for (const char* text : {"", "* * * * * *", "1-0 * * * *", "*/0 * * * *", "1,,2 * * * *",
                           "-1 * * * *", "1/2/3 * * * *", "a * * * *", "@often", "0 0 L * *",
                           "0 0 ? * *", "+1 * * * *", "1- * * * *", "0 0 * * 8"}) {
    EXPECT_NE(error(text), "none") << text;
  }
}

TEST(Cron, RefusesWhatNeverFires) {
  EXPECT_EQ(error("0 0 30 2 *"), "the schedule '0 0 30 2 *' never fires: no month has such a day");
  EXPECT_EQ(error("0 0 31 4,6,9,11 *"),
            "the schedule '0 0 31 4,6,9,11 *' never fires: no month has such a day");
  EXPECT_EQ(error("0 0 31 2 1"), "none");  // either day fits
  EXPECT_EQ(error("0 0 29 2 *"), "none");
}

TEST(TimeZone, KnowsTheBoundsOfDays) {
  const auto zone = TimeZone::find("Europe/Berlin").value();
  const auto hours = [&](std::string_view day) {
    const auto [start, end] = zone.day_bounds(parse_day(day).value());
    return base::format_time(start).substr(0, 16) + " " +
           std::to_string(std::chrono::duration_cast<std::chrono::hours>(end - start).count());
  };
  EXPECT_EQ(hours("2026-11-20"), "2026-11-19T23:00 24");
  EXPECT_EQ(hours("2026-03-29"), "2026-03-28T23:00 23");
  EXPECT_EQ(hours("2026-10-25"), "2026-10-24T22:00 25");
  const auto beirut = TimeZone::find("Asia/Beirut").value();  // at midnight
  EXPECT_EQ(base::format_time(beirut.day_bounds(parse_day("2026-03-29").value()).first),
            "2026-03-28T22:00:00.000000Z");
}

TEST(TimeZone, NamesTheNearest) {
  EXPECT_EQ(TimeZone::find("Europe/Berln").error().message,
            "there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?");
  EXPECT_FALSE(TimeZone::find(""));
  EXPECT_FALSE(TimeZone::find("\x1b"));
}

TEST(Day, IsReadStrictly) {
  EXPECT_EQ(format_day(parse_day("2028-02-29").value()), "2028-02-29");
  for (const char* text :
       {"2026-02-29", "2026-2-3", "20261120", "2026-11-20T", "", "2026-11-20 "}) {
    EXPECT_FALSE(parse_day(text)) << text;
  }
}

}  // namespace
}  // namespace millrace::config
