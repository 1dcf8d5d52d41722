#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "batch/engine.hpp"
#include "batch/test_bench.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using testing::HasSubstr;
using testing::Not;

/// spark-submit, played by a script.
class SparkSubmitTest : public testing::Test {
 protected:
  SparkSubmitTest() {
    pipeline_.name = "shop";
    pipeline_.file = "/srv/shop.yaml";
    pipeline_.engines.spark.emplace();
    settings().submit = (folder_.path() / "spark-submit").string();
    settings().conf = {{"spark.executor.memory", "8g"},
                       {"spark.hadoop.fs.s3a.secret.key", "opensesame"}};
  }
  config::SparkEngine& settings() { return *pipeline_.engines.spark; }

  void script(const std::string& lines) {
    std::ofstream(settings().submit) << "#!/bin/sh\n" << lines << "\n";
    std::filesystem::permissions(settings().submit, std::filesystem::perms::owner_all);
  }
  base::Result<void> run(const std::stop_token& stop = {}) {
    auto engine = make_spark_submit({.pipeline = pipeline_,
                                     .folder = folder_.path() / "data",
                                     .telemetry = {log_, metrics_},
                                     .aws = {}});
    return engine->run({.token = "t1",
                        .attempt = 2,
                        .job = "daily",
                        .partitions = "2026-11-18..2026-11-20",
                        .fingerprint = 7},
                       stop);
  }
  std::string output() const {
    std::stringstream text;
    text << std::ifstream(folder_.path() / "data" / "engine" / "daily.log").rdbuf();
    return text.str();
  }

  os::TestFolder folder_;
  config::Pipeline pipeline_;
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
};

TEST_F(SparkSubmitTest, GivesSecretsOutOfSight) {
  settings().master = "local[2]";
  settings().python = "/opt/python";
  settings().packages = {"a:b:1", "c:d:2"};
  settings().py_files = {"m.whl"};
  script("echo $0 \"$@\"; echo $MILLRACE_SPARK_CONF; echo $PYSPARK_PYTHON");
  ASSERT_TRUE(run());
  EXPECT_EQ(
      output(),
      settings().submit +
          " --name millrace daily --master local[2] --packages a:b:1,c:d:2 --py-files m.whl "
          "--conf spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension "
          "--conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog "
          "--conf spark.executor.memory=8g " +
          (folder_.path() / "data" / "engine" / "daily.py").string() +
          " order /srv/shop.yaml daily --run t1/2 --partitions 2026-11-18..2026-11-20 "
          "--fingerprint 7 --data " +
          (folder_.path() / "data").string() +
          "\n"
          "{\"spark.hadoop.fs.s3a.secret.key\":\"opensesame\"}\n/opt/python\n");
}

TEST_F(SparkSubmitTest, TellsWhyItFailedWithoutSecrets) {
  ::setenv("TEST_DB_PASSWORD", "rose bud", 1);
  ::setenv("TEST_DB", "postgres://me:hunter22@host/db", 1);
  script(
      "echo Traceback; echo ValueError: opensesame and rose bud and hunter22 are wrong; "
      "echo INFO ShutdownHookManager; exit 1");
  const auto error = run().error();
  ::unsetenv("TEST_DB_PASSWORD");
  ::unsetenv("TEST_DB");
  EXPECT_EQ(error.code, Code::Unavailable);
  EXPECT_THAT(error.message, HasSubstr("spark-submit ended with 1: ValueError: *** and *** and *** "
                                       "are wrong (its output: "));
}

TEST_F(SparkSubmitTest, WhatThePackageRefusesIsNotTriedAgain) {
  script("echo millrace-spark: shop.yaml:3:1: no; echo INFO bye; exit 2");
  const auto error = run().error();
  EXPECT_EQ(error.code, Code::Invalid);
  EXPECT_THAT(error.message, HasSubstr("spark-submit ended with 2: shop.yaml:3:1: no (its"));
  script("echo \"ModuleNotFoundError: No module named 'millrace_spark'\"; exit 1");
  EXPECT_THAT(run().error().message, HasSubstr("install the package for the Python"));
}

TEST_F(SparkSubmitTest, TellsASignal) {
  script("kill -9 $$");
  const auto error = run().error();
  EXPECT_EQ(error.code, Code::Unavailable);
  EXPECT_THAT(error.message, HasSubstr("spark-submit was killed by signal 9"));
}

TEST_F(SparkSubmitTest, AMissingProgramIsSaidWithTheMend) {
  const auto error = run().error();
  EXPECT_EQ(error.code, Code::NotFound);
  EXPECT_THAT(error.message, HasSubstr("cannot be started: there is no such program"));
  EXPECT_THAT(error.message, HasSubstr("`engines: {spark: {submit: /path/to/spark-submit}}`"));
}

TEST_F(SparkSubmitTest, EndsWhatTakesTooLongOrIsStopped) {
  script("exec sleep 60");
  settings().timeout = 100ms;
  const auto late = run().error();
  EXPECT_EQ(late.code, Code::Invalid);
  EXPECT_THAT(late.message, HasSubstr("Spark was not done after 100ms and was ended"));
  settings().timeout = 1h;
  std::stop_source stop;
  const std::jthread asks([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  EXPECT_EQ(run(stop.get_token()).error().code, Code::Cancelled);
}

TEST_F(SparkSubmitTest, AJobRunsOnIt) {
  script("echo ValueError: opensesame; exit 1");
  JobsBench bench(shop("engines:\n  spark:\n    submit: " + settings().submit + R"(
    conf: {spark.hadoop.fs.s3a.secret.key: "${HOME:-x}"}
jobs:
  daily:
    each: day
    engine: spark
    sql: SELECT customer, sum(amount) AS total FROM orders WHERE day = $day GROUP BY ALL
    retry: {attempts: 2, wait: 0s}
)"));
  bench.order("ann", "1", "2026-11-18T12:00:00Z");
  bench.order("ann", "1", "2026-11-19T12:00:00Z");
  auto jobs = bench.open();
  const auto rows = jobs->backfill("daily", "2026-11-18", "2026-11-19").value();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].status, RunStatus::Failed);
  EXPECT_EQ(rows[0].attempt, 2);
  EXPECT_THAT(rows[1].error, HasSubstr("spark-submit ended with 1: ValueError"));
  EXPECT_EQ(bench.history(), "daily|2026-11-18|failed|backfill, daily|2026-11-19|failed|backfill");
  EXPECT_EQ(bench.states(*jobs, "daily"), "2026-11-18 failed, 2026-11-19 failed");
}

}  // namespace
}  // namespace millrace::batch
