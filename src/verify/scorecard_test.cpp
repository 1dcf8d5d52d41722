#include "verify/scorecard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace millrace::verify {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// A run that meets every target, just.
Measurements good() {
  Measurements is;
  is.sent.records_sent = is.sent.records_acknowledged = 8'000;
  is.sent.behind_max = 12ms;
  is.visible_calm.add(3ms, 990);
  is.visible_calm.add(20s, 10);
  is.visible_burst.add(999ms, 500);
  is.burst_records = 5'000;
  is.burst_factor = 10;
  is.burst_length = 5s;
  is.rows = {.expected = 7'000,
             .seen = 7'000,
             .flagged_right = 990,
             .flagged_wrongly = 10,
             .not_flagged_wrongly = 10,
             .not_flagged_right = 5'990};
  is.rejects_expected = is.rejects_seen = {.decode = 40, .expect = 60, .unique = 80};
  is.totals = {.groups = 100, .wrong = 0, .expected = {7'000, 123'456}, .seen = {7'000, 123'456}};
  is.report.slowest = 4'999ms;
  return is;
}

std::vector<std::string> failed(const Measurements& measurements) {
  std::vector<std::string> names;
  for (const auto& measure : judge(measurements).measures) {
    if (!measure.is_met) names.push_back(measure.name);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(Scorecard, PassesWhereEveryTargetIsMet) {
  EXPECT_EQ(failed(good()), Names{});
  EXPECT_TRUE(judge(good()).is_met());
}

TEST(Scorecard, FailsEachTargetByItself) {
  const auto with = [](auto change) {
    Measurements is = good();
    change(is);
    return failed(is);
  };
  EXPECT_EQ(with([](auto& is) { is.visible_calm.add(20s, 5); }), Names{"latency, calm"});
  EXPECT_EQ(with([](auto& is) { is.visible_burst.add(1s, 10); }), Names{"latency, burst"});
  EXPECT_EQ(with([](auto& is) { is.visible_burst = {}; }), Names{"latency, burst"});
  EXPECT_EQ(with([](auto& is) { is.never_visible = 1; }),
            (Names{"latency, calm", "latency, burst"}));
  EXPECT_EQ(with([](auto& is) { is.sent.records_failed = 1; }), Names{"burst"});
  EXPECT_EQ(with([](auto& is) { is.sent.behind_max = 1s; }), Names{"burst"});
  EXPECT_EQ(with([](auto& is) { is.rows.flagged_wrongly = 11; }), Names{"flags, precision"});
  EXPECT_EQ(with([](auto& is) { is.rows.not_flagged_wrongly = 11; }), Names{"flags, recall"});
  EXPECT_EQ(with([](auto& is) { is.rows.lost = 1; }), Names{"rows lost"});
  EXPECT_EQ(with([](auto& is) { is.rows.doubled = 1; }), Names{"rows doubled"});
  EXPECT_EQ(with([](auto& is) { is.rows.wrong = 1; }), Names{"rows wrong"});
  EXPECT_EQ(with([](auto& is) { is.rows.unexpected = 1; }), Names{"rows wrong"});
  EXPECT_EQ(with([](auto& is) { is.rejects_seen.decode -= 1; }), Names{"rejects"});
  EXPECT_EQ(with([](auto& is) { is.rejects_seen.unique += 1; }), Names{"rejects"});
  EXPECT_EQ(with([](auto& is) { is.totals.wrong = 1; }), Names{"day totals"});
  EXPECT_EQ(with([](auto& is) { is.totals.groups = 0; }), Names{"day totals"});
  EXPECT_EQ(with([](auto& is) { is.job_failures = {"reconcile"}; }), Names{"day totals"});
  EXPECT_EQ(with([](auto& is) { is.report.slowest = 5s; }), Names{"report"});
  EXPECT_EQ(with([](auto& is) { is.report.failure = "status 500"; }), Names{"report"});
}

TEST(Scorecard, BodiesSentTwiceMayBeRejectedTwice) {
  Measurements is = good();
  is.sent.resent_unsure = 1;
  is.rejects_seen.unique += 10;
  EXPECT_EQ(failed(is), Names{});
  is.rejects_seen.decode -= 1;
  EXPECT_EQ(failed(is), Names{"rejects"});
}

TEST(Scorecard, SaysAHundredPercentOnlyOfAll) {
  Measurements is = good();
  is.rows.flagged_right = 999'999;
  is.rows.flagged_wrongly = 1;
  EXPECT_EQ(judge(is).measures[3].measured, "99.99 % (999999 of 1000000 flagged are right)");
}

TEST(Scorecard, TheTableIsAlignedAndColouredOnlyIfAsked) {
  Measurements is = good();
  is.rows.lost = 2;
  is.rows.examples = {"'ord-1' is lost"};
  const std::string plain = render_table(judge(is), Colour::No);
  EXPECT_THAT(plain,
              HasSubstr("\nrows lost         0                           FAIL    2 (of 7000)\n"));
  EXPECT_THAT(plain, HasSubstr("\nlatency, calm     p99 below 1s                pass    p50 "));
  EXPECT_THAT(plain, HasSubstr("\n  'ord-1' is lost\n"));
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  EXPECT_THAT(render_table(judge(is), Colour::Yes), HasSubstr("\x1b[1;31mFAIL\x1b[0m"));
}

TEST(Scorecard, TheJsonHasTheNumbers) {
  Measurements is = good();
  is.rows.lost = 2;
  is.sent.acknowledged = {{base::ShardId(1), base::Offset(5), base::Offset(9)}};
  const auto json = nlohmann::json::parse(render_json(judge(is)));
  EXPECT_EQ(json["passed"], false);
  EXPECT_EQ(json["measures"].size(), 11U);
  EXPECT_EQ(json["measures"][5]["name"], "rows lost");
  EXPECT_EQ(json["measures"][5]["passed"], false);
  EXPECT_EQ(json["measurements"]["rows"]["lost"], 2);
  EXPECT_EQ(json["measurements"]["flags"]["precision"], 0.99);
  EXPECT_EQ(json["measurements"]["visible_burst"]["max_ms"], 999.0);
  EXPECT_EQ(json["measurements"]["positions"][0]["end"], 9);
}

TEST(Scorecard, LatenciesAreShort) {
  EXPECT_EQ(format_latency(0us), "0 us");
  EXPECT_EQ(format_latency(850us), "850 us");
  EXPECT_EQ(format_latency(3'249us), "3.2 ms");
  EXPECT_EQ(format_latency(99'949us), "99.9 ms");
  EXPECT_EQ(format_latency(99'950us), "100 ms");
  EXPECT_EQ(format_latency(999'499us), "999 ms");
  EXPECT_EQ(format_latency(1'250ms), "1.25 s");
  EXPECT_EQ(format_latency(75s), "75.0 s");
}

}  // namespace
}  // namespace millrace::verify
