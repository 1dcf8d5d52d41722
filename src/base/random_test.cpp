#include "base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <regex>
#include <set>

namespace millrace::base {
namespace {

TEST(Random, TheSameSeedGivesTheSameNumbers) {
  Random a(7);
  Random b(7);
  Random c(8);
  const auto first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, c.next());
}

TEST(Random, BelowReachesAllNumbersUnderItsBound) {
  Random random(1);
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i) ++seen.at(random.below(seen.size()));
  for (const int count : seen) EXPECT_GT(count, 100);
  EXPECT_EQ(random.below(1), 0U);
}

TEST(RandomDeathTest, NothingIsBelowZero) {
  Random random(1);
  EXPECT_DEATH(random.below(0), "bound > 0");
}

TEST(Random, UuidsAreOfVersion4AndDiffer) {
  Random random;
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string uuid = random.uuid();
    EXPECT_TRUE(std::regex_match(uuid, form)) << uuid;
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

}  // namespace
}  // namespace millrace::base
