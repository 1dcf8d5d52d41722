#include <gmock/gmock.h>

#include "batch/test_engine.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using testing::HasSubstr;

constexpr const char* kDaily = R"(
jobs:
  daily:
    each: day
    sql: SELECT customer, sum(amount) AS total FROM orders WHERE day = $day GROUP BY ALL
    retry: {attempts: 3, wait: 0s}
)";

class EngineRunsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* day : {"18", "19", "21"}) {
      bench_.order("ann", "1", std::string("2026-11-") + day + "T12:00:00Z");
    }
  }
  std::string history() {
    return bench_.rows("SELECT \"partition\", status, attempt FROM _runs ORDER BY ALL");
  }

  EngineBench bench_{kDaily};
  FakeEngine engine_;
};

TEST_F(EngineRunsTest, GivesOneOrderForAllPartitionsAndFindsWhatItCommitted) {
  engine_.act = [&](const EngineOrder& order) {
    for (const auto* day : {"2026-11-18", "2026-11-19", "2026-11-21"}) bench_.commit(order, day);
    return Result<void>();
  };
  EXPECT_EQ(bench_.run({"2026-11-18", "2026-11-19", "2026-11-21"}, engine_),
            "2026-11-18 succeeded 1, 2026-11-19 succeeded 1, 2026-11-21 succeeded 1");
  ASSERT_EQ(engine_.orders.size(), 1U);
  EXPECT_EQ(engine_.orders[0].partitions, "2026-11-18..2026-11-19,2026-11-21");
  EXPECT_EQ(engine_.orders[0].id(), engine_.orders[0].token);
  EXPECT_EQ(engine_.orders[0].fingerprint, bench_.plan.fingerprint);
  EXPECT_EQ(history(), "2026-11-18|succeeded|1, 2026-11-19|succeeded|1, 2026-11-21|succeeded|1");
  EXPECT_FALSE(bench_.runs->is_running("daily", "2026-11-18"));
  EXPECT_EQ(bench_.rows("SELECT count(*) FROM daily"), "3");
}

TEST_F(EngineRunsTest, AsksAgainOnlyForWhatDidNotCommitBeforeACrash) {
  engine_.act = [&](const EngineOrder& order) -> Result<void> {
    if (order.attempt == 1) {
      bench_.commit(order, "2026-11-18");
      return Error{Code::Unavailable, "it was killed"};
    }
    bench_.commit(order, "2026-11-19");
    return {};
  };
  EXPECT_EQ(bench_.run({"2026-11-18", "2026-11-19"}, engine_),
            "2026-11-18 succeeded 1, 2026-11-19 succeeded 1");
  ASSERT_EQ(engine_.orders.size(), 2U);
  EXPECT_EQ(engine_.orders[1].partitions, "2026-11-19");
  EXPECT_EQ(engine_.orders[1].token, engine_.orders[0].token);
  EXPECT_EQ(engine_.orders[1].id(), engine_.orders[0].token + "/2");
  EXPECT_EQ(history(), "2026-11-18|succeeded|1, 2026-11-19|succeeded|2");
}

TEST_F(EngineRunsTest, TellsWhyOnePartitionFailedAndWhatItsChecksFound) {
  engine_.act = [&](const EngineOrder& order) -> Result<void> {
    bench_.commit(order, "2026-11-18");
    bench_.tell(order, R"({"runs": [
      {"run_id": ")" + order.token +
                           R"(-2026-11-18", "status": "succeeded", "duration_ms": 7},
      {"run_id": ")" + order.token +
                           R"(-2026-11-19", "status": "failed", "attempt": 2,
       "error": "totals differ", "checks": [{"check": "totals", "kind": "rows", "value": 3,
       "outcome": "failed", "detail": "too many"}]}]})");
    return Error{Code::Unavailable, "ended with 1"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18", "2026-11-19"}, engine_),
            "2026-11-18 succeeded 1, 2026-11-19 failed: totals differ");
  EXPECT_EQ(engine_.orders.size(), 1U) << "what failed by itself is not tried again";
  EXPECT_EQ(history(), "2026-11-18|succeeded|1, 2026-11-19|failed|2");
  EXPECT_EQ(bench_.rows("SELECT duration_ms FROM _runs WHERE status = 'succeeded'"), "7");
  EXPECT_EQ(bench_.rows("SELECT \"partition\", \"check\", outcome, value, detail FROM _checks"),
            "2026-11-19|totals|failed|3.0|too many");
  EXPECT_TRUE(std::filesystem::is_empty(bench_.folder.path() / "tables" / "_engine"));
}

TEST_F(EngineRunsTest, WhatCannotStartFailsAtOnceWithTheReason) {
  engine_.act = [](const EngineOrder&) -> Result<void> {
    return Error{Code::NotFound, "there is no program 'spark-submit'"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18", "2026-11-19"}, engine_),
            "2026-11-18 failed: there is no program 'spark-submit', "
            "2026-11-19 failed: there is no program 'spark-submit'");
  EXPECT_EQ(engine_.orders.size(), 1U);
  EXPECT_EQ(history(), "2026-11-18|failed|1, 2026-11-19|failed|1");
  engine_.act = [&](const EngineOrder& order) -> Result<void> {
    bench_.tell(order, R"({"error": "the file was changed"})");
    return Error{Code::Unavailable, "ended with 2"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18"}, engine_), "2026-11-18 failed: the file was changed");
  EXPECT_EQ(engine_.orders.size(), 2U);
}

TEST_F(EngineRunsTest, WhatEnginesTellIsWrittenDownWithoutSecrets) {
  engine_.act = [&](const EngineOrder& order) -> Result<void> {
    bench_.tell(order, R"({"runs": [{"run_id": ")" + order.token +
                           R"(-2026-11-18", "status": "failed", "error": "no access: opensesame",
       "checks": [{"check": "totals", "kind": "rows", "outcome": "failed",
       "detail": "by opensesame"}]}]})");
    return Error{Code::Invalid, "ended with 1: opensesame"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18", "2026-11-19"}, engine_),
            "2026-11-18 failed: no access: ***, 2026-11-19 failed: ended with 1: ***");
  EXPECT_EQ(bench_.rows("SELECT detail FROM _checks"), "by ***");
  engine_.act = [&](const EngineOrder& order) -> Result<void> {
    bench_.tell(order, R"({"error": "refused: opensesame"})");
    return Error{Code::Invalid, "ended with 2"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18"}, engine_), "2026-11-18 failed: refused: ***");
}

TEST_F(EngineRunsTest, AnEndWithoutACommitIsNoSuccess) {
  EXPECT_THAT(bench_.run({"2026-11-18"}, engine_),
              HasSubstr("failed: glue ended well, but did not run this partition"));
  EXPECT_EQ(engine_.orders.size(), 3U) << "as often as `retry` says";
  engine_.act = [&](const EngineOrder& order) {
    bench_.tell(order, "no json");
    return Result<void>();
  };
  EXPECT_THAT(bench_.run({"2026-11-18"}, engine_), HasSubstr("cannot be read"));
}

TEST_F(EngineRunsTest, WhatOthersRanOrRunIsLeftToThem) {
  const Claim other{.run_id = "r", .job = "daily", .partition = "2026-11-18"};
  const auto none = [](const Claim&) { return std::optional<std::int64_t>(); };
  (void)bench_.runs->claim(other, none).value();
  const auto is_wanted = [&](const Partition& one) {
    return Result<bool>(!(one == bench_.day("2026-11-19")));
  };
  EXPECT_EQ(bench_.run({"2026-11-18", "2026-11-19"}, engine_, is_wanted),
            "2026-11-18 skipped: another process runs it, its claim expires at "
            "2026-11-21T09:05:03.000000Z, "
            "2026-11-19 skipped: it is fresh: another process ran it");
  EXPECT_TRUE(engine_.orders.empty());
  EXPECT_EQ(history(), "");
  EXPECT_FALSE(bench_.runs->is_running("daily", "2026-11-19"));
}

TEST_F(EngineRunsTest, WhatOutlivesUsIsWaitedForByTheNextProcess) {
  engine_.outlives = true;
  engine_.act = [](const EngineOrder&) -> Result<void> {
    return Error{Code::Cancelled, "the program is stopping"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18", "2026-11-19"}, engine_), "");
  EXPECT_EQ(history(), "");
  const auto none = [](const Claim&) { return std::optional<std::int64_t>(); };
  bench_.runs->end_abandoned(none).value();
  EXPECT_TRUE(bench_.runs->is_running("daily", "2026-11-18"));
  bench_.clock.advance(30min);  // longer than a claim that must be renewed

  FakeEngine next;
  next.outlives = true;
  EXPECT_THAT(bench_.run({"2026-11-18"}, next), HasSubstr("skipped: another process runs it"));
  next.act = [&](const EngineOrder& order) -> Result<void> {
    bench_.commit(order, "2026-11-18");
    return Error{Code::Unavailable, "run jr_1 ended as FAILED"};
  };
  EXPECT_EQ(bench_.adopt(next),
            "2026-11-18 succeeded 1, 2026-11-19 failed: run jr_1 ended as FAILED");
  EXPECT_TRUE(next.orders.empty()) << "nothing is started twice";
  EXPECT_EQ(next.followed, std::vector<std::string>{engine_.orders[0].token});
  EXPECT_EQ(history(), "2026-11-18|succeeded|1, 2026-11-19|failed|1");
  EXPECT_EQ(bench_.adopt(next), "");
}

TEST_F(EngineRunsTest, AFurtherAttemptOfWhatOutlivesUsHasAllItsTime) {
  engine_.outlives = true;
  engine_.act = [&](const EngineOrder& order) -> Result<void> {
    bench_.clock.advance(40min);
    if (order.attempt == 1) return Error{Code::Unavailable, "run jr_1 ended as FAILED"};
    EXPECT_TRUE(bench_.runs->is_running("daily", "2026-11-18"));
    bench_.commit(order, "2026-11-18");
    return {};
  };
  EXPECT_EQ(bench_.run({"2026-11-18"}, engine_), "2026-11-18 succeeded 1");
  EXPECT_EQ(history(), "2026-11-18|succeeded|2");
}

TEST_F(EngineRunsTest, WhatWasNeverStartedHasFailed) {
  engine_.outlives = true;
  engine_.act = [](const EngineOrder&) -> Result<void> {
    return Error{Code::Cancelled, "the program is stopping"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18"}, engine_), "");
  engine_.act = [](const EngineOrder&) -> Result<void> {
    return Error{Code::NotFound, "no run was started for it"};
  };
  EXPECT_EQ(bench_.adopt(engine_), "2026-11-18 failed: no run was started for it");
}

TEST_F(EngineRunsTest, AClaimThatExpiredIsEndedAndTakenOver) {
  engine_.outlives = true;
  engine_.act = [](const EngineOrder&) -> Result<void> {
    return Error{Code::Cancelled, "the program is stopping"};
  };
  EXPECT_EQ(bench_.run({"2026-11-18"}, engine_), "");
  bench_.clock.advance(2h);
  const auto none = [](const Claim&) { return std::optional<std::int64_t>(); };
  bench_.runs->end_abandoned(none).value();
  EXPECT_FALSE(bench_.runs->is_running("daily", "2026-11-18"));
  EXPECT_EQ(history(), "2026-11-18|failed|1");
}

TEST(DistributeBy, MustBeAColumn) {
  EngineBench fine(std::string(kDaily) + "    distribute_by: Customer\n");
  EXPECT_EQ(fine.plan.job.distribute_by, "Customer");
  const auto pipeline = pipeline_of(shop(std::string(kDaily) + "    distribute_by: custmer\n"));
  auto engine = sql::Instance::open({.time_zone = "UTC"}).value();
  const auto plans = plan_jobs(pipeline, {{"orders", JobsBench::order_columns()}}, *engine);
  ASSERT_EQ(plans.errors.size(), 1U);
  EXPECT_EQ(plans.errors[0].text(),
            "/test/shop.yaml:19:20: distribute_by: neither a table that the job reads nor its "
            "result has the column 'custmer'; did you mean 'customer'?");
}

}  // namespace
}  // namespace millrace::batch
