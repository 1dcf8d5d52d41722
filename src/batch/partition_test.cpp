#include "batch/partition.hpp"

#include <gtest/gtest.h>

namespace millrace::batch {
namespace {

using config::Each;
using namespace std::chrono_literals;

config::TimeZone zone(const char* name) {
  return config::TimeZone::find(name).value();
}

Partition parsed(Each each, const char* text, const char* zone_name = "Europe/Berlin") {
  auto partition = parse_partition(each, text, zone(zone_name));
  if (!partition) ADD_FAILURE() << partition.error().text();
  return partition ? *partition : Partition{};
}

TEST(Partition, OfADayHasTheHoursThatTheDayHas) {
  const auto length = [](const char* day) {
    const auto partition = parsed(Each::Day, day);
    return partition.end - partition.start;
  };
  EXPECT_EQ(length("2026-11-20"), 24h);
  EXPECT_EQ(length("2026-03-29"), 23h);
  EXPECT_EQ(length("2026-10-25"), 25h);
}

TEST(Partition, OfAnHourIsOneOfTwoWhereTheClockShowsItTwice) {
  const auto first = parsed(Each::Hour, "2026-10-25T02");
  EXPECT_EQ(label_of(first), "2026-10-25T00:00Z");
  const auto second = next_partition(first, zone("Europe/Berlin"));
  EXPECT_EQ(label_of(second), "2026-10-25T01:00Z");
  EXPECT_EQ(parsed(Each::Hour, "2026-10-25T02:00+01:00"), second);
  EXPECT_EQ(label_of(next_partition(second, zone("Europe/Berlin"))), "2026-10-25T02:00Z");
}

TEST(Partition, OfAnHourBeginsWithTheHourOnTheWall) {
  const auto hour = partition_at(Each::Hour, base::parse_time("2026-11-20T01:45:00Z").value(),
                                 zone("Asia/Kolkata"));
  EXPECT_EQ(value_of(hour), "2026-11-20T01:30:00.000000Z");
  EXPECT_EQ(literal_of(hour), "TIMESTAMPTZ '2026-11-20T01:30:00.000000Z'");
  EXPECT_EQ(parsed(Each::Hour, "2026-11-20 07:00", "Asia/Kolkata"), hour);
  EXPECT_EQ(partition_from_value(Each::Hour, value_of(hour), zone("Asia/Kolkata")), hour);
  EXPECT_EQ(partition_from_value(Each::Hour, value_of(hour), zone("Europe/Berlin")), std::nullopt);
}

TEST(Partition, RefusesWhatIsNoDayOrNoStartOfAnHour) {
  for (const auto* text : {"", "2026-13-01", "yesterday", "2026-11-20T01", "2026-02-30"}) {
    EXPECT_EQ(parse_partition(Each::Day, text, zone("UTC")).error().code, base::Code::Invalid)
        << text;
  }
  for (const auto* text : {"", "2026-11-20", "2026-11-20T01:30", "2026-11-20T25", "2026-11-20T1"}) {
    EXPECT_EQ(parse_partition(Each::Hour, text, zone("UTC")).error().code, base::Code::Invalid)
        << text;
  }
}

TEST(Partition, RangesTakeDaysForTheirHours) {
  const auto range = [](Each each, const char* from, const char* to) {
    return parse_range(each, from, to, zone("Europe/Berlin"));
  };
  EXPECT_EQ(range(Each::Day, "2026-10-24", "2026-10-26").value().size(), 3U);
  EXPECT_EQ(range(Each::Hour, "2026-10-25", "2026-10-25").value().size(), 25U);
  EXPECT_EQ(range(Each::Hour, "2026-10-25T01", "2026-10-25T03").value().size(), 4U);
  EXPECT_EQ(range(Each::Day, "2026-10-26", "2026-10-24").error().code, base::Code::Invalid);
  EXPECT_EQ(range(Each::Hour, "1900-01-01", "2026-01-01").error().code, base::Code::Invalid);
}

}  // namespace
}  // namespace millrace::batch
