// What a power cut at every call leaves of alerts: each is sent at least once, under one id.
// docs/how_to/test_a_crash.md.

#include <fmt/format.h>

#include "flow/test_alerts.hpp"
#include "os/sim_disk.hpp"

namespace millrace::flow {
namespace {

using os::Survival;
using namespace std::chrono_literals;

constexpr int kRounds = 3;
constexpr const char* kBoth = R"(
  fraud: {from: checked, when: is_fraud, select: id, send: {webhook: "http://h/", log: warn}}
  chained: {from: frauds, select: id, group_by: amount, every: 1s, send: {sqs: "https://h/1/q"}}
)";

void put_round(MemorySource& source, int round) {
  const auto id = [&](const char* name) { return fmt::format("{}{}", name, round); };
  source.put(0, order(id("fine"), "1"));
  source.put(0, order(id("a"), fmt::format("{}", 2000 + round)));
  source.put(1, order(id("b"), fmt::format("{}", 3000 + round)));
  source.put(1, "{broken");
  source.put(1, order(id("c"), fmt::format("{}", 4000 + round)));
}

class AlertsCrash {
 public:
  AlertsCrash(Survival unsynced, std::uint64_t seed) {
    disk = os::SimDisk::open({.root = bench.folder.path(), .seed = seed, .unsynced = unsynced})
               .value();
    bench.other_disk = disk.get();
    bench.source.forget_released();
    for (auto& table : bench.pipeline.tables) table.commit.every = 1h;  // only when asked
  }

  // A life up to the power cut, or to its end. The table is committed before the alerts, after
  // them, and not at all. False: it was cut.
  bool live() {
    if (!bench.begin_all()) return false;
    while (round_ < kRounds) {
      const int round = round_++;
      put_round(bench.source, round);
      if (!bench.worker->catch_up(10s)) return false;
      if (round == 0 && !bench.worker->commit_now()) return false;
      if (!bench.alerts->settle_all(10s) || !bench.alerts->commit_now()) return false;
      if (round == 1 && !bench.worker->commit_now()) return false;
    }
    return true;
  }
  void put_the_rest() {
    while (round_ < kRounds) put_round(bench.source, round_++);
  }
  // Which orders came to each receiver, whether each came under one id, and how often one more than
  // once in the history.
  std::string came() {
    std::string text;
    for (const auto* target : {"webhook", "log", "sqs"}) {
      std::set<std::string> seen;
      for (const auto& [id, bodies] : bench.receivers[target].ids()) {
        if (bodies.size() != 1) text += fmt::format("{} has several bodies; ", id);
        seen.insert(bodies.begin(), bodies.end());
      }
      text += fmt::format("{}: {} bodies {} ids; ", target, seen.size(),
                          bench.receivers[target].ids().size());
    }
    return text;
  }

  AlertsBench bench{with_alerts(kBoth)};
  std::unique_ptr<os::SimDisk> disk;

 private:
  int round_ = 0;
};

class AlertsCrashTest : public testing::TestWithParam<Survival> {};

TEST_P(AlertsCrashTest, EachAlertIsSentUnderOneIdAfterACutAtAnyCall) {
  std::uint64_t calls = 0;
  const std::string expected =
      "webhook: 9 bodies 9 ids; log: 9 bodies 9 ids; sqs: 9 bodies 9 ids; ";
  {
    AlertsCrash uncut(Survival::Nothing, 1);
    ASSERT_TRUE(uncut.live());
    calls = uncut.disk->calls();
    EXPECT_EQ(uncut.came(), expected);
    EXPECT_EQ(uncut.bench.history("count(*), count(DISTINCT (alert, target, id))", ""), "27 27");
    ASSERT_GT(calls, 60U);
  }
  // Where chance decides what survives, not every call needs its own throw.
  const std::uint64_t step = GetParam() == Survival::Nothing ? 2 : 5;
  for (std::uint64_t nth = 1; nth <= calls && !HasFailure(); nth += step) {
    const auto when = fmt::format("survival {} cut at {}", static_cast<int>(GetParam()), nth);
    AlertsCrash crash(GetParam(), nth);
    crash.disk->cut_at(nth);
    (void)crash.live();
    crash.bench.crash_all();
    ASSERT_TRUE(crash.disk->power_cycle());
    crash.bench.fatal.clear();
    crash.put_the_rest();
    const auto begun = crash.bench.begin_all();
    ASSERT_TRUE(begun) << when << ": " << begun.error().text();
    ASSERT_TRUE(crash.bench.worker->catch_up(10s)) << when;
    const auto settled = crash.bench.alerts->settle_all(10s);
    ASSERT_TRUE(settled) << when << ": " << settled.error().text();
    EXPECT_EQ(crash.came(), expected) << when;
    ASSERT_TRUE(crash.bench.alerts->commit_now()) << when;
    EXPECT_EQ(crash.bench.history("count(DISTINCT (alert, target, id)), count(*) FILTER (outcome "
                                  "<> 'sent')",
                                  ""),
              "27 0")
        << when;
  }
}

INSTANTIATE_TEST_SUITE_P(EachSurvival, AlertsCrashTest,
                         testing::Values(Survival::Nothing, Survival::Random));

}  // namespace
}  // namespace millrace::flow
