#include "verify/latencies.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace millrace::verify {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

TEST(Latencies, AreNothingWhenThereAreNone) {
  const Latencies none;
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.quantile(0.99), 0us);
  EXPECT_EQ(none.max(), 0us);
}

TEST(Latencies, SmallOnesAreExact) {
  Latencies latencies;
  for (int i = 1; i <= 100; ++i) latencies.add(microseconds(i));
  EXPECT_EQ(latencies.quantile(0.5), 50us);
  EXPECT_EQ(latencies.quantile(0.99), 99us);
  EXPECT_EQ(latencies.quantile(0.991), 100us);
  EXPECT_EQ(latencies.quantile(1), 100us);
  EXPECT_EQ(latencies.quantile(0), 1us);
}

TEST(Latencies, LargeOnesAreRightUpToOneSixtyFourth) {
  std::mt19937_64 random(7);
  std::vector<std::int64_t> sorted;
  Latencies latencies;
  for (int i = 0; i < 20'000; ++i) {
    const auto micros = static_cast<std::int64_t>(random() % (std::uint64_t{1} << (5 + i % 35)));
    sorted.push_back(micros);
    latencies.add(microseconds(micros));
  }
  std::ranges::sort(sorted);
  for (const double quantile : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto rank = static_cast<std::size_t>(std::ceil(quantile * 20'000)) - 1;
    const auto exact = static_cast<double>(sorted[rank]);
    const auto told = static_cast<double>(latencies.quantile(quantile).count());
    EXPECT_GE(told, exact) << quantile;
    EXPECT_LE(told, exact * (1 + 1.0 / 64) + 1) << quantile;
  }
  EXPECT_EQ(latencies.max().count(), sorted.back());
  EXPECT_EQ(latencies.quantile(1), latencies.max());
}

TEST(Latencies, OneSlowRecordInTwoHundredDoesNotMoveThe99thPercentile) {
  Latencies latencies;
  latencies.add(3ms, 199);
  latencies.add(10s);
  EXPECT_LT(latencies.quantile(0.99), 4ms);
  EXPECT_EQ(latencies.max(), 10s);
  latencies.add(10s, 2);
  EXPECT_EQ(latencies.quantile(0.99), 10s);
}

TEST(Latencies, MergeToTheSame) {
  Latencies all, odd, even;
  for (int i = 0; i < 1'000; ++i) {
    all.add(microseconds(i * 997));
    (i % 2 ? odd : even).add(microseconds(i * 997));
  }
  odd.merge(even);
  EXPECT_EQ(odd.count(), all.count());
  EXPECT_EQ(odd.quantile(0.9), all.quantile(0.9));
  EXPECT_EQ(odd.max(), all.max());
}

TEST(Latencies, WhatIsOutOfRangeIsHeldByTheEnds) {
  Latencies latencies;
  latencies.add(-5us);
  EXPECT_EQ(latencies.quantile(1), 0us);
  latencies.add(microseconds::max());
  EXPECT_EQ(latencies.max(), microseconds::max());
  EXPECT_GT(latencies.quantile(1), std::chrono::hours(24));
}

}  // namespace
}  // namespace millrace::verify
