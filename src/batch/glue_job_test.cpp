#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "aws/test_aws.hpp"
#include "batch/engine.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using testing::HasSubstr;
using Json = nlohmann::json;
using namespace std::chrono_literals;

/// Glue, played by a list of answers.
class GlueJobTest : public testing::Test {
 protected:
  void serve(std::vector<http::Response> answers) {
    fake_.emplace([answers, next = std::size_t{0}](const http::Request&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    });
    bench_.environment["AWS_ENDPOINT_URL_GLUE"] = fake_->url();
    const auto settings = aws::Settings::read(bench_.environment).value();
    provider_ = aws::CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    pipeline_.engines.glue = config::GlueEngine{.job = "nightly",
                                                .file = "shop.yaml",
                                                .region = "eu-west-1",
                                                .arguments = {{"--x", "1"}},
                                                .timeout = 90min};
    engine_ = make_glue_job({.pipeline = pipeline_,
                             .folder = {},
                             .telemetry = {bench_.log, bench_.metrics},
                             .aws = [&] { return base::Result<aws::Client*>(&*client_); }},
                            {.first = 1ms, .longest = 2ms});
  }
  base::Result<void> run(int attempt = 1, const std::stop_token& stop = {}) {
    return engine_->run({.token = "t1",
                         .attempt = attempt,
                         .job = "daily",
                         .partitions = "2026-11-18",
                         .fingerprint = 7},
                        stop);
  }
  std::string calls() const {
    std::string names;
    for (const auto& request : fake_->requests()) {
      const auto target = std::string(request.headers.value("X-Amz-Target"));
      names += (names.empty() ? "" : " ") + target.substr(target.find('.') + 1);
    }
    return names;
  }
  static http::Response started() { return {.status = 200, .body = R"({"JobRunId":"jr_1"})"}; }
  static http::Response state(const std::string& word, const std::string& error = "") {
    const Json run{{"JobRunState", word}, {"ErrorMessage", error}};
    return {.status = 200, .body = Json{{"JobRun", run}}.dump()};
  }
  static http::Response listed(const std::string& id, const std::string& token) {
    const Json run{{"Id", id}, {"Arguments", {{"--millrace_run", token}}}};
    return {.status = 200, .body = Json{{"JobRuns", {run}}}.dump()};
  }
  static http::Response bad(int status, const std::string& code) {
    return {.status = status, .body = Json{{"__type", code}, {"message", "no"}}.dump()};
  }

  aws::AwsBench bench_;
  std::optional<aws::FakeAws> fake_;
  std::unique_ptr<aws::CredentialProvider> provider_;
  std::optional<aws::Client> client_;
  config::Pipeline pipeline_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(GlueJobTest, StartsARunWithTheOrderAndFollowsItToItsEnd) {
  serve({started(), state("STARTING"), bad(400, "ThrottlingException"), state("RUNNING"),
         state("SUCCEEDED")});
  EXPECT_TRUE(run());
  EXPECT_EQ(calls(), "StartJobRun GetJobRun GetJobRun GetJobRun GetJobRun");
  const auto asked = Json::parse(fake_->requests().at(0).body);
  EXPECT_EQ(asked["JobName"], "nightly");
  EXPECT_EQ(asked["Timeout"], 90);
  const Json arguments{{"--x", "1"},
                       {"--millrace_run", "t1"},
                       {"--millrace_job", "daily"},
                       {"--millrace_partitions", "2026-11-18"},
                       {"--millrace_fingerprint", "7"},
                       {"--millrace_file", "shop.yaml"}};
  EXPECT_EQ(asked["Arguments"], arguments);
}

TEST_F(GlueJobTest, WhatFailedMayPassAndWhatWasEndedDoesNot) {
  serve({started(), state("FAILED", "RuntimeError: 2026-11-18: totals differ")});
  const auto failed = run().error();
  EXPECT_EQ(failed.code, Code::Unavailable);
  EXPECT_EQ(failed.message,
            "run jr_1 of the Glue job 'nightly' ended as FAILED: RuntimeError: 2026-11-18: totals "
            "differ");
  for (const auto* word : {"STOPPED", "TIMEOUT"}) {
    serve({started(), state(word)});
    EXPECT_EQ(run().error().code, Code::Invalid) << word;
  }
}

TEST_F(GlueJobTest, AMissingJobOrRunIsSaid) {
  serve({bad(400, "EntityNotFoundException")});
  EXPECT_EQ(run().error().code, Code::NotFound);
  serve({started(), bad(400, "EntityNotFoundException")});
  EXPECT_EQ(run().error().code, Code::NotFound);
  serve({bad(400, "ConcurrentRunsExceededException")});
  EXPECT_EQ(run().error().code, Code::Exhausted) << "it is tried again later";
}

TEST_F(GlueJobTest, ItGoesOnWhileItCannotBeAsked) {
  serve({started(), bad(400, "AccessDeniedException"), bad(400, "ExpiredTokenException"),
         state("SUCCEEDED")});
  EXPECT_TRUE(run());
}

TEST_F(GlueJobTest, AStartOfUnknownOutcomeIsLookedForAndNotRepeated) {
  serve({bad(500, "InternalServiceException"), listed("jr_7", "other"), listed("jr_1", "t1"),
         state("SUCCEEDED")});
  EXPECT_TRUE(run());
  EXPECT_EQ(calls(), "StartJobRun GetJobRuns GetJobRuns GetJobRun");
  serve({listed("jr_1", "t1"), state("RUNNING"), state("SUCCEEDED")});
  EXPECT_TRUE(run(2)) << "an attempt before started it";
  EXPECT_EQ(calls(), "GetJobRuns GetJobRun GetJobRun");
  serve({listed("jr_1", "t1"), state("FAILED"), started(), state("SUCCEEDED")});
  EXPECT_TRUE(run(2));
  EXPECT_EQ(calls(), "GetJobRuns GetJobRun StartJobRun GetJobRun");
}

TEST_F(GlueJobTest, AStopLeavesItAndTheNextProcessFindsIt) {
  std::stop_source stop;
  stop.request_stop();
  serve({started(), state("RUNNING")});
  EXPECT_EQ(run(1, stop.get_token()).error().code, Code::Cancelled);
  serve({bad(400, "AccessDeniedException"), listed("jr_1", "t1/2"), state("RUNNING"),
         state("FAILED", "why")});
  EXPECT_THAT(engine_->follow("t1", {}).error().message, HasSubstr("FAILED: why"));
  EXPECT_EQ(calls(), "GetJobRuns GetJobRuns GetJobRun GetJobRun");
  serve({listed("jr_1", "other")});
  EXPECT_EQ(engine_->follow("t1", {}).error().code, Code::NotFound);
}

}  // namespace
}  // namespace millrace::batch
