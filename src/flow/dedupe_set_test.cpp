#include "flow/dedupe_set.hpp"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

#include "os/test_folder.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

base::Time at(std::chrono::microseconds since) {
  return base::Time(1'700'000'000s + since);
}

Verdict claim(DedupeSet& set, const std::string& key, std::chrono::microseconds when,
              std::int64_t offset) {
  return set.claim(key_of(key), at(when), {0, offset}).value();
}

TEST(DedupeSet, FindsAKeyWithinTheWindowOnBothSides) {
  DedupeSet set({.within = 1h});
  EXPECT_EQ(claim(set, "a", 0h, 1), Verdict::New);
  EXPECT_EQ(claim(set, "a", 1h, 2), Verdict::Duplicate);
  EXPECT_EQ(claim(set, "a", -1h, 3), Verdict::Duplicate);
  EXPECT_EQ(claim(set, "b", 0h, 4), Verdict::New);
  EXPECT_EQ(claim(set, "a", 1h + 1us, 5), Verdict::New);
}

TEST(DedupeSet, DoesNotTakeARecordForItsOwnDuplicate) {
  DedupeSet set({.within = 1h});
  EXPECT_EQ(claim(set, "a", 0h, 1), Verdict::New);
  EXPECT_EQ(claim(set, "a", 0h, 1), Verdict::Own);
}

TEST(DedupeSet, ForgetsOnlyWhatIsBeforeTheHorizon) {
  DedupeSet set({.within = 1h});
  (void)claim(set, "old", 0h, 1);
  (void)claim(set, "new", 48h, 2);
  ASSERT_TRUE(set.forget_before(at(24h)));
  EXPECT_EQ(claim(set, "old", 0h, 3), Verdict::New);
  EXPECT_EQ(claim(set, "new", 48h, 4), Verdict::Duplicate);
}

TEST(DedupeSet, GivesTheSameVerdictsWhenItSpillsToDisk) {
  os::TestFolder folder;
  DedupeSet roomy({.within = 1h});
  DedupeSet tight({.within = 1h, .bytes_max = 20'000, .spill = folder.path() / "spill"});
  std::mt19937_64 random(7);
  int duplicates = 0;
  for (std::int64_t i = 0; i < 20'000; ++i) {
    const auto key = std::to_string(random() % 5'000);
    const auto when = std::chrono::minutes(i / 40) - std::chrono::minutes(random() % 90);
    const auto expected = claim(roomy, key, when, i);
    ASSERT_EQ(claim(tight, key, when, i), expected) << i;
    duplicates += expected == Verdict::Duplicate ? 1 : 0;
    if (i % 5'000 == 4'999) {
      ASSERT_TRUE(roomy.forget_before(at(when - 4h)));
      ASSERT_TRUE(tight.forget_before(at(when - 4h)));
    }
  }
  EXPECT_GT(duplicates, 1'000);
  EXPECT_TRUE(tight.has_spilled());
  EXPECT_LT(tight.bytes(), 60'000U);
}

TEST(DedupeSet, SaysSoWhenItCannotSpill) {
  DedupeSet set({.within = 1h, .bytes_max = 100, .spill = "/proc/nowhere"});
  base::Result<Verdict> last = Verdict::New;
  for (int i = 0; i < 100 && last; ++i) {
    last = set.claim(key_of(std::to_string(i)), at(0h), {0, i});
  }
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, base::Code::Unavailable);
}

}  // namespace
}  // namespace millrace::flow
