#include "app/calendar.hpp"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

const Paint kPlain(false);

TEST(Calendar, HasALineForEachMonthAndASignForEachDay) {
  const std::vector<PartitionMark> days{{"2026-10-30", "final"},   {"2026-10-31", "fresh"},
                                        {"2026-11-01", "fresh"},   {"2026-11-02", "stale"},
                                        {"2026-11-04", "failed"},  {"2026-11-05", "due"},
                                        {"2026-11-06", "running"}, {"2026-11-20", "filling"}};
  EXPECT_EQ(calendar(days, kPlain),
            "         1   5    10   15   20   25   30\n"
            "2026-10                               =■\n"
            "2026-11  ■s xdr             ~\n");
  EXPECT_EQ(calendar_legend(days, kPlain),
            "~ filling  d due  r running  ■ fresh  s stale  x failed  = final");
}

TEST(Calendar, HasALineForEachDayAndASignForEachHour) {
  EXPECT_EQ(calendar({{"2026-11-20T22:00Z", "fresh"},
                      {"2026-11-20T23:00Z", "fresh"},
                      {"2026-11-21T00:00Z", "filling"}},
                     kPlain),
            "            0     6     12    18\n"
            "2026-11-20                        ■■\n"
            "2026-11-21  ~\n");
}

TEST(Calendar, IsEmptyWithoutPartitionsOfTime) {
  EXPECT_EQ(calendar({}, kPlain), "");
  EXPECT_EQ(calendar({{"all", "fresh"}, {"2026-11-99", "fresh"}, {"2026-1x-01", "stale"}}, kPlain),
            "");
  EXPECT_EQ(calendar_legend({}, kPlain), "");
}

TEST(Calendar, ShowsStatesThatItDoesNotKnow) {
  EXPECT_EQ(calendar({{"2026-11-01", "paused"}}, kPlain),
            "         1   5    10   15   20   25   30\n"
            "2026-11  ?\n");
  EXPECT_EQ(calendar_legend({{"2026-11-01", "paused"}}, kPlain), "? other");
}

TEST(Calendar, ColoursWhatIsAlikeAtOnce) {
  EXPECT_EQ(calendar({{"2026-11-01", "fresh"}, {"2026-11-02", "fresh"}}, Paint(true)),
            "         \x1b[2m1   5    10   15   20   25   30\x1b[0m\n"
            "2026-11  \x1b[32m■■\x1b[0m\n");
}

}  // namespace
}  // namespace millrace::app
