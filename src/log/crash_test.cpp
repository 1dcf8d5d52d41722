// What a power cut at every call leaves: docs/how_to/test_a_crash.md.

#include <gtest/gtest.h>

#include "log/test_ledger.hpp"
#include "os/fault_disk.hpp"
#include "os/sim_disk.hpp"

namespace millrace::log {
namespace {

using os::Survival;
using namespace std::chrono_literals;

constexpr int kShards = 2;

StreamOptions options() {
  return {.name = "orders",
          .shards = kShards,
          .retention_time = 1h,
          .segment_bytes = 300,
          .segment_age = 1h};
}

// Two lives with appends to both shards, segments that fill, and segments that are dropped.
// False: the power was cut.
bool live(os::Disk& disk, const os::Path& folder, TestTools& tools, Ledger& ledger) {
  for (int life = 0; life < 2; ++life) {
    auto stream = Stream::open(folder, options(), tools.on(disk));
    if (!stream) return false;
    for (int i = 0; i < 5; ++i) {
      if (!ledger.append(**stream, 0, 1 + i % 3)) return false;
      if (i % 2 == 0 && !ledger.append(**stream, 1, 2)) return false;
      if (i == 3) {
        tools.clock.advance(2h);
        ledger.release(**stream);
      }
    }
    (*stream)->close();
  }
  return true;
}

struct Case {
  Survival survival = Survival::Nothing;
  std::uint64_t seed = 1;
};

class CrashTest : public testing::TestWithParam<Case> {};

TEST_P(CrashTest, WhatWasAcknowledgedSurvivesACutAtAnyCall) {
  std::uint64_t calls = 0;
  {
    os::TestFolder folder;
    TestTools tools;
    Ledger ledger(kShards);
    auto disk = os::SimDisk::open({.root = folder.path()}).value();
    ASSERT_TRUE(live(*disk, folder.path() / "orders", tools, ledger));
    calls = disk->calls();
    ASSERT_GT(calls, 100U);
  }
  for (std::uint64_t nth = 1; nth <= calls; ++nth) {
    const std::string when =
        fmt::format("survival {} seed {} cut at {}", static_cast<int>(GetParam().survival),
                    GetParam().seed, nth);
    os::TestFolder folder;
    TestTools tools;
    Ledger ledger(kShards);
    auto disk = os::SimDisk::open({.root = folder.path(),
                                   .seed = GetParam().seed * 1000 + nth,
                                   .unsynced = GetParam().survival})
                    .value();
    const os::Path path = folder.path() / "orders";
    disk->cut_at(nth);
    (void)live(*disk, path, tools, ledger);
    // Twice: what the first recovery gave out must survive the next cut as well, which comes
    // before anything was written or closed.
    for (int recovery = 0; recovery < 2; ++recovery) {
      ASSERT_TRUE(disk->power_cycle());
      auto stream = Stream::open(path, options(), tools.on(*disk));
      ASSERT_TRUE(stream) << when << ": " << stream.error().text();
      ledger.check(**stream, fmt::format("{}, recovery {}", when, recovery));
      ASSERT_TRUE(disk->power_cycle());
    }
    // And life goes on.
    auto stream = Stream::open(path, options(), tools.on(*disk)).value();
    ASSERT_TRUE(ledger.append(*stream, 0, 2)) << when;
    ASSERT_TRUE(ledger.append(*stream, 1, 1)) << when;
    ledger.check(*stream, when + ", after more appends");
    stream = nullptr;
    ledger.check(*Stream::open(path, options(), tools.on(*disk)).value(), when + ", at last");
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(EachSurvival, CrashTest,
                         testing::Values(Case{Survival::Nothing, 1}, Case{Survival::Everything, 1},
                                         Case{Survival::Random, 1}, Case{Survival::Random, 2}));

// A process is killed with a group in the page cache only. The next life finds it whole, gives it
// out, and then the power goes: what was given out must not vanish, for a table may rely on it.
TEST(CrashAfterAKill, WhatWasGivenOutSurvivesThoughTheKilledLifeDidNotSyncIt) {
  os::TestFolder folder;
  TestTools tools;
  Ledger ledger(kShards);
  auto disk = os::SimDisk::open({.root = folder.path(), .unsynced = Survival::Nothing}).value();
  os::FaultDisk killed(*disk);
  const os::Path path = folder.path() / "orders";
  {
    auto stream = Stream::open(path, options(), tools.on(killed)).value();
    ASSERT_TRUE(ledger.append(*stream, 0, 1));
    for (const auto call : {os::DiskCall::Sync, os::DiskCall::Open}) {
      killed.fail({.call = call,
                   .nth = 1,
                   .code = base::Code::Unavailable,
                   .times = os::Times::FromThenOn});
    }
    EXPECT_FALSE(ledger.append(*stream, 0, 2));
  }
  auto stream = Stream::open(path, options(), tools.on(*disk)).value();
  EXPECT_EQ(stream->end(base::ShardId(0)), base::Offset(3));
  ledger.check(*stream, "after the kill");
  ASSERT_TRUE(disk->power_cycle());
  stream = nullptr;
  ledger.check(*Stream::open(path, options(), tools.on(*disk)).value(), "after the cut");
}

// A second cut, at every call of the recovery from the first.
TEST(CrashInRecovery, LosesNothingEither) {
  for (const Survival survival : {Survival::Nothing, Survival::Random, Survival::Everything}) {
    for (std::uint64_t first = 24; first <= 60; first += 12) {
      for (std::uint64_t nth = 1;; ++nth) {
        os::TestFolder folder;
        TestTools tools;
        Ledger ledger(kShards);
        auto disk = os::SimDisk::open(
                        {.root = folder.path(), .seed = first * 100 + nth, .unsynced = survival})
                        .value();
        const os::Path path = folder.path() / "orders";
        disk->cut_at(first);
        (void)live(*disk, path, tools, ledger);
        ASSERT_TRUE(disk->power_cycle());
        disk->cut_at(nth);
        const bool is_whole = Stream::open(path, options(), tools.on(*disk)).has_value();
        const bool was_cut = disk->is_off();
        ASSERT_TRUE(disk->power_cycle());
        const auto stream = Stream::open(path, options(), tools.on(*disk));
        const std::string when = fmt::format("survival {} cut at {}, then at {}",
                                             static_cast<int>(survival), first, nth);
        ASSERT_TRUE(stream) << when << ": " << stream.error().text();
        ledger.check(**stream, when);
        if (HasFailure()) return;
        if (is_whole && !was_cut) break;
      }
    }
  }
}

}  // namespace
}  // namespace millrace::log
