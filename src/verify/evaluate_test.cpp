#include "verify/evaluate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/read.hpp"
#include "verify/fake_instance.hpp"
#include "verify/instance_check.hpp"
#include "verify/reference_job.hpp"

namespace millrace::verify {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::HasSubstr;

EvaluateOptions options_of(const FakeInstance& instance) {
  return {.address = {.port = instance.port()},
          .records_per_second = 300,
          .duration = 800ms,
          .burst = {.factor = 10, .start = 300ms, .length = 200ms},
          .shares = {.invalid = 0.1, .late = 0.1, .duplicate = 0.1},
          .settle_max = 300ms,
          // How fast this machine is does not matter here.
          .targets = {.latency_p99 = 1h, .report_time = 1h}};
}

std::vector<std::string> failed(Faults faults) {
  const FakeInstance instance(faults);
  const base::SystemClock clock;
  const auto card = evaluate(options_of(instance), clock);
  EXPECT_TRUE(card) << card.error().text();
  std::vector<std::string> names;
  if (!card) return names;
  for (const auto& measure : card->measures) {
    // A machine under load may send late.
    if (!measure.is_met && measure.name != "burst") names.push_back(measure.name);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(Evaluate, FindsNothingAmissWithAnInstanceThatIsRight) {
  const FakeInstance instance({});
  const base::SystemClock clock;
  std::vector<std::string> phases;
  const auto card =
      evaluate(options_of(instance), clock, {}, [&](const EvaluateProgress& progress) {
        if (phases.empty() || phases.back() != progress.phase) phases.emplace_back(progress.phase);
      });
  ASSERT_TRUE(card) << card.error().text();
  for (const auto& measure : card->measures) {
    EXPECT_TRUE(measure.is_met || measure.name == "burst") << measure.name << measure.measured;
  }
  const auto& is = card->measurements;
  EXPECT_EQ(is.sent.records_acknowledged, 180U + 600U);
  EXPECT_EQ(is.burst_records, 600U);
  EXPECT_EQ(is.rows.expected + is.rejects_expected.count(), 780U);
  EXPECT_GT(is.visible_calm.count(), 50U);
  EXPECT_GT(is.visible_burst.count(), 50U);
  EXPECT_EQ(phases.front(), "sending");
  EXPECT_EQ(phases.back(), "report");
}

TEST(Evaluate, ASecondRunCountsWithWhatIsThereAlready) {
  const FakeInstance instance({});
  const base::SystemClock clock;
  auto options = options_of(instance);
  ASSERT_TRUE(evaluate(options, clock));
  const auto card = evaluate(options, clock);
  ASSERT_TRUE(card) << card.error().text();
  EXPECT_EQ(card->measurements.totals.wrong, 0U);
  EXPECT_EQ(card->measurements.report.failure, "");
}

TEST(Evaluate, FindsEachFault) {
  EXPECT_THAT(failed({.loses_a_row = true}), testing::Contains("rows lost"));
  EXPECT_EQ(failed({.forgets_a_reject = true}), Names{"rejects"});
  EXPECT_EQ(failed({.adds_a_cent_to_a_total = true}), Names{"day totals"});
  EXPECT_EQ(failed({.job_fails = true}), Names{"day totals"});
  EXPECT_EQ(failed({.report_is_wrong = true}), Names{"report"});
}

TEST(Evaluate, FindsADoubledRowInTheRowsAndInTheTotals) {
  EXPECT_EQ(failed({.doubles_a_row = true}), (Names{"rows doubled", "day totals"}));
}

TEST(Evaluate, FindsFlagsThatAreWrongOnlyAtTheLimit) {
  EXPECT_THAT(failed({.flags_at_the_limit = true}), testing::ElementsAre("flags, precision"));
}

TEST(Evaluate, SaysSoWhenNoRowIsEverSeen) {
  const auto names = failed({.hides_rows = true});
  EXPECT_THAT(names, testing::IsSupersetOf({"latency, calm", "latency, burst", "rows lost"}));
}

TEST(Evaluate, ReportsAnInstanceThatIsNotThere) {
  EvaluateOptions options;
  {
    const FakeInstance gone({});
    options = options_of(gone);
  }
  const base::SystemClock clock;
  const auto card = evaluate(options, clock);
  ASSERT_FALSE(card);
  EXPECT_EQ(card.error().code, Code::Unavailable);
}

TEST(Evaluate, RefusesABurstAfterTheEnd) {
  const base::SystemClock clock;
  const auto card = evaluate({.duration = 10s}, clock);
  ASSERT_FALSE(card);
  EXPECT_EQ(card.error().message, "the burst ends at 20s, after the 10s of the evaluation");
}

TEST(ReferenceJob, IsTheExampleAndNoOther) {
  const auto read = [](const std::string& path) {
    return std::get<config::Pipeline>(config::read_pipeline(MILLRACE_EXAMPLES + path));
  };
  EXPECT_TRUE(check_reference_job(read("/orders/orders.yaml")));
  const auto other = check_reference_job(read("/sensors/sensors.yaml"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::Invalid);
  EXPECT_THAT(other.error().text(), HasSubstr("the source 'orders' from log is missing"));
}

TEST(Cents, AreReadExactly) {
  EXPECT_EQ(read_cents("12.50").value(), 1'250);
  EXPECT_EQ(read_cents("12.5").value(), 1'250);
  EXPECT_EQ(read_cents("12").value(), 1'200);
  EXPECT_EQ(read_cents("0.07").value(), 7);
  EXPECT_EQ(read_cents("-0.07").value(), -7);
  EXPECT_EQ(read_cents("12.5000").value(), 1'250);
  for (const char* bad : {"", ".", ".5", "12.505", "1e3", "12,50", "abc", "99999999999999999999"}) {
    EXPECT_FALSE(read_cents(bad)) << bad;
  }
}

}  // namespace
}  // namespace millrace::verify
