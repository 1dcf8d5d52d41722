// Days on which the clock changes, past and coming, of three zones: Europe's, America's, and one
// that changes by half an hour.
#include <gtest/gtest.h>

#include "batch/test_bench.hpp"
#include "config/cron.hpp"

namespace millrace::batch {
namespace {

using config::Each;

struct Change {
  const char* zone;
  const char* day;
  const char* start;  ///< the first moment of the day
  std::chrono::minutes length;
};

// Source  IANA time zone database, release 2025b.
const Change kChanges[] = {
    {"Europe/Berlin", "1980-04-06", "1980-04-05T23:00:00Z", 1380min},
    {"Europe/Berlin", "1980-09-28", "1980-09-27T22:00:00Z", 1500min},
    {"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", 1380min},
    {"Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", 1500min},
    {"Europe/Berlin", "2027-03-28", "2027-03-27T23:00:00Z", 1380min},
    {"Europe/Berlin", "2027-10-31", "2027-10-30T22:00:00Z", 1500min},
    {"Europe/Berlin", "2037-03-29", "2037-03-28T23:00:00Z", 1380min},
    {"Europe/Berlin", "2037-10-25", "2037-10-24T22:00:00Z", 1500min},
    {"America/New_York", "1974-01-06", "1974-01-06T05:00:00Z", 1380min},
    {"America/New_York", "1974-10-27", "1974-10-27T04:00:00Z", 1500min},
    {"America/New_York", "2006-04-02", "2006-04-02T05:00:00Z", 1380min},
    {"America/New_York", "2006-10-29", "2006-10-29T04:00:00Z", 1500min},
    {"America/New_York", "2007-03-11", "2007-03-11T05:00:00Z", 1380min},
    {"America/New_York", "2007-11-04", "2007-11-04T04:00:00Z", 1500min},
    {"America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", 1380min},
    {"America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", 1500min},
    {"America/New_York", "2027-03-14", "2027-03-14T05:00:00Z", 1380min},
    {"America/New_York", "2027-11-07", "2027-11-07T04:00:00Z", 1500min},
    {"America/New_York", "2037-03-08", "2037-03-08T05:00:00Z", 1380min},
    {"America/New_York", "2037-11-01", "2037-11-01T04:00:00Z", 1500min},
    {"Australia/Lord_Howe", "1985-03-03", "1985-03-02T12:30:00Z", 1500min},
    {"Australia/Lord_Howe", "1985-10-27", "1985-10-26T13:30:00Z", 1410min},
    {"Australia/Lord_Howe", "2000-03-26", "2000-03-25T13:00:00Z", 1470min},
    {"Australia/Lord_Howe", "2000-08-27", "2000-08-26T13:30:00Z", 1410min},
    {"Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", 1470min},
    {"Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", 1410min},
    {"Australia/Lord_Howe", "2027-04-04", "2027-04-03T13:00:00Z", 1470min},
    {"Australia/Lord_Howe", "2027-10-03", "2027-10-02T13:30:00Z", 1410min},
    {"Australia/Lord_Howe", "2037-04-05", "2037-04-04T13:00:00Z", 1470min},
    {"Australia/Lord_Howe", "2037-10-04", "2037-10-03T13:30:00Z", 1410min},
};

class ClockChange : public testing::TestWithParam<Change> {
 protected:
  const Change change = GetParam();
  const config::TimeZone zone = config::TimeZone::find(change.zone).value();
  const Partition day = parse_partition(Each::Day, change.day, zone).value();
};

TEST_P(ClockChange, MakesADayShorterOrLonger) {
  EXPECT_EQ(day.start, time_of(change.start));
  EXPECT_EQ(day.end - day.start, change.length);
  EXPECT_EQ(next_partition(day, zone).start, day.end);
  EXPECT_EQ(partition_at(Each::Day, day.end - 1us, zone), day);
}

// Where the clock changes by half an hour, hours go on as they were, and a day begins in the midst
// of one.
TEST_P(ClockChange, LeavesNoGapBetweenHoursAndNoOverlap) {
  auto hour = partition_at(Each::Hour, day.start, zone);
  EXPECT_LE(hour.start, day.start);
  if (std::string(change.zone) != "Australia/Lord_Howe") {
    EXPECT_EQ(hour.start, day.start);
  }
  auto last = hour;
  for (; hour.start < day.end; hour = next_partition(hour, zone)) {
    EXPECT_EQ(hour.end - hour.start, 1h);
    if (hour.start > last.start) {
      EXPECT_EQ(hour.start, last.end);
    }
    EXPECT_EQ(partition_at(Each::Hour, hour.start + 59min, zone), hour);
    EXPECT_EQ(parse_partition(Each::Hour, label_of(hour), zone).value(), hour);
    last = hour;
  }
  EXPECT_GE(last.end, day.end);
}

TEST_P(ClockChange, FiresADailyScheduleOnce) {
  for (const auto* at :
       {"0 1 * * *", "30 1 * * *", "0 2 * * *", "15 2 * * *", "30 2 * * *", "0 3 * * *"}) {
    const auto cron = config::Cron::parse(at).value();
    const auto first = cron.next_after(day.start - 1us, zone);
    EXPECT_LT(first, day.end) << at;
    EXPECT_GE(cron.next_after(first, zone), day.end) << at;
  }
}

TEST_P(ClockChange, MakesOneRunOfAllRowsOfItsDay) {
  JobsBench bench(shop(R"yaml(
jobs:
  daily:
    at: "30 2 * * *"
    each: day
    sql: SELECT count(*) AS n, sum(amount) AS total FROM orders WHERE day = $day
)yaml",
                       change.zone),
                  base::format_time(day.start));
  auto jobs = bench.open();
  for (const auto moment : {day.start - 1us, day.start, day.start + 2h, day.start + 2h + 30min,
                            day.end - 1us, day.end}) {
    bench.order("ann", "1", base::format_time(moment));
  }
  for (bench.clock.set(day.end); bench.clock.now() < day.end + 20h; bench.clock.advance(10min)) {
    jobs->run_due();
  }
  EXPECT_EQ(bench.rows(std::string("SELECT n, total FROM daily WHERE day = '") + change.day + "'"),
            "4|4.00");
  EXPECT_EQ(bench.rows(std::string("SELECT count(*) FROM _runs WHERE \"partition\" = '") +
                       change.day + "'"),
            "1");
}

INSTANTIATE_TEST_SUITE_P(, ClockChange, testing::ValuesIn(kChanges), [](const auto& one) {
  std::string name = std::string(one.param.zone) + '_' + one.param.day;
  for (auto& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

}  // namespace
}  // namespace millrace::batch
