#include "deploy/schedule.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace millrace::deploy {
namespace {

std::string said(std::string_view text) {
  const auto expressions = eventbridge_schedules(config::Cron::parse(text).value());
  return expressions ? base::join(*expressions, " and ") : expressions.error().message;
}

TEST(Schedule, HasSixFieldsAndOneDayOnly) {
  EXPECT_EQ(said("0 1 * * *"), "cron(0 1 * * ? *)");
  EXPECT_EQ(said("*/15 * * * *"), "cron(0,15,30,45 * * * ? *)");
  EXPECT_EQ(said("0 4 1 * *"), "cron(0 4 1 * ? *)");
  EXPECT_EQ(said("5-9 0-23 * jan,Mar *"), "cron(5-9 * * 1,3 ? *)");
  EXPECT_EQ(said("@yearly"), "cron(0 0 1 1 ? *)");
}

TEST(Schedule, CountsDaysOfTheWeekFromSundayAsOne) {
  EXPECT_EQ(said("30 1 * * mon-fri"), "cron(30 1 ? * 2-6 *)");
  EXPECT_EQ(said("0 0 * * 0"), "cron(0 0 ? * 1 *)");
  EXPECT_EQ(said("0 0 * * 7"), "cron(0 0 ? * 1 *)");
  EXPECT_EQ(said("0 0 * * 5-7"), "cron(0 0 ? * 1,6,7 *)");
  EXPECT_EQ(said("0 0 * * 0-7"), "cron(0 0 * * ? *)");
}

TEST(Schedule, FiresOnEitherDayByTwoExpressions) {
  EXPECT_EQ(said("0 0 13 * fri"), "cron(0 0 13 * ? *) and cron(0 0 ? * 6 *)");
  EXPECT_EQ(said("0 0 1-31 * fri"), "cron(0 0 * * ? *)");
}

TEST(Schedule, RefusesWhatEventBridgeCannotSay) {
  EXPECT_EQ(said("0 0 */2 * mon"),
            "the schedule '0 0 */2 * mon' asks for a day of the month and a day of the week at "
            "once, which EventBridge cannot say; restrict one of them");
  EXPECT_EQ(said("0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48,50,52,54,"
                 "56,58 0,2,4,6,8,10,12,14,16,18,20,22 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 "
                 "1,3,5,7,9,11 *")
                .substr(0, 5),
            "cron(");
}

TEST(Schedule, KnowsTheLongestPause) {
  const auto hours = [](std::string_view text) {
    return std::chrono::floor<std::chrono::hours>(longest_pause(config::Cron::parse(text).value()))
        .count();
  };
  EXPECT_EQ(hours("0 1 * * *"), 24);
  EXPECT_EQ(hours("0 0 * * mon-fri"), 72);
  EXPECT_EQ(hours("0 0 1 1 *"), 24 * 366);
  EXPECT_EQ(hours("*/5 * * * *"), 0);
}

}  // namespace
}  // namespace millrace::deploy
