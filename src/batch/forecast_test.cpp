#include "batch/forecast.hpp"

#include <gmock/gmock.h>

#include "batch/test_bench.hpp"

namespace millrace::batch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const char* const kJobs = R"yaml(
jobs:
  daily:
    each: day
    sql: SELECT customer, count(*) AS orders FROM orders WHERE day = $day GROUP BY ALL
  top:
    each: day
    sql: SELECT max(orders) AS best FROM daily WHERE day = $day
)yaml";

class ForecastTest : public JobsBench, public testing::Test {
 protected:
  ForecastTest() : JobsBench(shop(kJobs)) {
    order("ann", "1", "2026-11-19T12:00:00Z");
    order("bob", "2", "2026-11-20T12:00:00Z");
  }

  std::vector<JobForecast> foresee_all() {
    const auto plans = plan_jobs(changed, {{"orders", order_columns()}}, *engine);
    EXPECT_TRUE(plans.errors.empty());
    return foresee({changed, plans.plans, folder.path() / "tables", tools()}).value();
  }
  static std::vector<std::string> labels(const std::vector<Partition>& partitions) {
    std::vector<std::string> texts;
    for (const auto& partition : partitions) texts.push_back(label_of(partition));
    return texts;
  }
  void run_all() {
    auto jobs = open();
    ASSERT_TRUE(jobs->run("daily"));
    ASSERT_TRUE(jobs->run("top"));
  }

  config::Pipeline changed = pipeline;
};

TEST_F(ForecastTest, ANewJobWaitsForAllThatItsInputsHave) {
  const auto found = foresee_all();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[0].is_new);
  EXPECT_THAT(labels(found[0].waiting), ElementsAre("2026-11-19", "2026-11-20"));
  EXPECT_EQ(found[0].bytes, orders->snapshot()->bytes());
  EXPECT_THAT(found[1].waiting, IsEmpty()) << "its input is not there yet";
  EXPECT_EQ(rows("SELECT count(*) FROM orders"), "2") << "nothing was made";
  EXPECT_FALSE(disk.stat(folder.path() / "tables" / "daily").value());
}

TEST_F(ForecastTest, NothingChangesWithTheSameFile) {
  run_all();
  for (const auto& found : foresee_all()) {
    EXPECT_FALSE(found.is_new);
    EXPECT_TRUE(found.columns.is_none());
    EXPECT_THAT(found.anew, IsEmpty());
    EXPECT_THAT(found.waiting, IsEmpty());
    EXPECT_EQ(found.bytes, 0);
  }
}

TEST_F(ForecastTest, OtherSqlComputesWhatRanAnewAndWhatReadsIt) {
  run_all();
  order("eve", "3", "2026-11-21T06:00:00Z");
  changed.jobs[0].sql.text =
      "SELECT customer, count(id) AS orders, sum(amount) AS total FROM orders WHERE day = $day "
      "GROUP BY ALL";
  const auto found = foresee_all();
  EXPECT_THAT(found[0].columns.added, ElementsAre("total"));
  EXPECT_THAT(labels(found[0].anew), ElementsAre("2026-11-19", "2026-11-20"));
  EXPECT_THAT(labels(found[0].waiting), ElementsAre("2026-11-21"));
  EXPECT_TRUE(found[1].columns.is_none());
  EXPECT_THAT(labels(found[1].anew), ElementsAre("2026-11-19", "2026-11-20"));
}

TEST_F(ForecastTest, LateDataWaitsWithTheSameSql) {
  run_all();
  order("eve", "3", "2026-11-19T13:00:00Z");
  const auto found = foresee_all();
  EXPECT_THAT(found[0].anew, IsEmpty());
  EXPECT_THAT(labels(found[0].waiting), ElementsAre("2026-11-19"));
  std::int64_t of_the_day = 0;
  for (const auto& file : orders->snapshot()->files_of({{"day", "2026-11-19"}})) {
    of_the_day += file->size;
  }
  EXPECT_EQ(found[0].bytes, of_the_day);
}

TEST_F(ForecastTest, ColumnsThatAreGoneAreRefused) {
  run_all();
  changed.jobs[0].sql.text = "SELECT customer FROM orders WHERE day = $day GROUP BY ALL";
  changed.jobs[1].sql.text = "SELECT max(customer) AS best FROM daily WHERE day = $day";
  const auto found = foresee_all();
  EXPECT_EQ(found[0].columns.refused.size(), 1U);
  EXPECT_EQ(found[1].columns.refused.size(), 1U);
}

}  // namespace
}  // namespace millrace::batch
