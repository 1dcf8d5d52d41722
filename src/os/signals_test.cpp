#include "os/signals.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <future>

namespace millrace::os {
namespace {

using namespace std::chrono_literals;

// Sends each signal when the one before has been reported.
TEST(StopSignals, TheFirstStopsGentlyAndFurtherOnesStopNow) {
  StopSignals::block().value();
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Stop> seen;
  const auto signals = StopSignals::watch([&](Stop stop) {
                         const std::lock_guard lock(mutex);
                         seen.push_back(stop);
                         changed.notify_all();
                       }).value();
  for (const int signal : {SIGTERM, SIGINT, SIGTERM}) {
    std::unique_lock lock(mutex);
    const std::size_t before = seen.size();
    ::kill(::getpid(), signal);
    ASSERT_TRUE(changed.wait_for(lock, 10s, [&] { return seen.size() > before; }));
  }
  EXPECT_EQ(seen, (std::vector{Stop::Gently, Stop::Now, Stop::Now}));
}

TEST(StopSignals, ASignalThatCameBeforeTheWatchCounts) {
  StopSignals::block().value();
  ::kill(::getpid(), SIGTERM);
  std::promise<Stop> first;
  const auto signals = StopSignals::watch([&](Stop stop) { first.set_value(stop); }).value();
  EXPECT_EQ(first.get_future().get(), Stop::Gently);
}

TEST(StopSignals, EndsWithoutASignal) {
  StopSignals::block().value();
  const auto signals = StopSignals::watch([](Stop) { FAIL() << "no signal was sent"; }).value();
}

TEST(StopSignals, WritingIntoAClosedPipeIsAnErrorAndNotTheEnd) {
  StopSignals::block().value();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

}  // namespace
}  // namespace millrace::os
