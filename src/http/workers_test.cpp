#include "http/workers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "http/body_budget.hpp"

namespace millrace::http {
namespace {

TEST(Workers, RunWhatTheyAreGiven) {
  std::atomic<int> runs = 0;
  Workers workers({.threads = 3, .queue_max = 1000});
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(workers.try_run([&] { ++runs; }));
  workers.stop();
  EXPECT_EQ(runs, 1000);
}

TEST(Workers, RefuseWhatDoesNotFit) {
  Workers workers({.threads = 1, .queue_max = 2});
  std::promise<void> is_running;
  std::promise<void> go_on;
  ASSERT_TRUE(workers.try_run([&] {
    is_running.set_value();
    go_on.get_future().wait();
  }));
  is_running.get_future().wait();
  EXPECT_TRUE(workers.try_run([] {}));
  EXPECT_TRUE(workers.try_run([] {}));
  EXPECT_FALSE(workers.try_run([] {}));
  go_on.set_value();
  workers.stop();
  EXPECT_FALSE(workers.try_run([] {}));
}

TEST(BodyBudget, IsSharedByItsLeases) {
  const auto budget = std::make_shared<BodyBudget>(100);
  BodyLease first(budget);
  BodyLease second(budget);
  EXPECT_TRUE(first.resize(60));
  EXPECT_FALSE(second.resize(41));
  EXPECT_EQ(budget->bytes_used(), 60U);
  EXPECT_TRUE(second.resize(40));
  EXPECT_FALSE(first.resize(61));
  EXPECT_TRUE(first.resize(10));
  EXPECT_EQ(budget->bytes_used(), 50U);
  EXPECT_FALSE(first.resize(~std::uint64_t{0}));
  second = std::move(first);
  EXPECT_EQ(budget->bytes_used(), 10U);
  {
    const BodyLease gone = std::move(second);
  }
  EXPECT_EQ(budget->bytes_used(), 0U);
}

TEST(BodyBudget, IsNeverExceededByManyThreads) {
  const auto budget = std::make_shared<BodyBudget>(1000);
  std::atomic<bool> is_exceeded = false;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        for (std::uint64_t round = 0; round < 2000; ++round) {
          BodyLease lease(budget);
          (void)lease.resize(1 + (round * 7919 + static_cast<std::uint64_t>(i)) % 700);
          if (budget->bytes_used() > 1000) is_exceeded = true;
        }
      });
    }
  }
  EXPECT_FALSE(is_exceeded);
  EXPECT_EQ(budget->bytes_used(), 0U);
}

}  // namespace
}  // namespace millrace::http
