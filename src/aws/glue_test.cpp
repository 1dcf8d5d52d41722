#include "aws/glue.hpp"

#include "aws/test_aws.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using testing::HasSubstr;
using What = GlueRun::What;

class GlueTest : public testing::Test {
 protected:
  Glue glue(std::vector<http::Response> answers, const std::string& region = "") {
    fake_.emplace([answers, next = std::size_t{0}](const http::Request&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    });
    bench_.environment["AWS_ENDPOINT_URL_GLUE"] = fake_->url();
    const auto settings = Settings::read(bench_.environment).value();
    provider_ = CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    return Glue::open(*client_, region).value();
  }
  static http::Response good(std::string body) { return {.status = 200, .body = std::move(body)}; }
  static http::Response bad(int status, const std::string& code) {
    return {.status = status, .body = R"({"__type":")" + code + R"(","Message":"no"})"};
  }

  AwsBench bench_;
  std::optional<FakeAws> fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

TEST_F(GlueTest, StartsARunWithWhatItIsGiven) {
  auto asked = glue({good(R"({"JobRunId":"jr_1"})")}, "eu-west-1");
  EXPECT_EQ(asked
                .start({.job = "nightly",
                        .arguments = {{"--a", "1"}},
                        .timeout = std::chrono::hours(2),
                        .worker_type = "G.1X",
                        .workers = 4})
                .value(),
            "jr_1");
  const auto request = fake_->requests().at(0);
  EXPECT_EQ(request.headers.value("X-Amz-Target"), "AWSGlue.StartJobRun");
  EXPECT_THAT(std::string(request.headers.value("Authorization")), HasSubstr("/eu-west-1/glue/"));
  EXPECT_EQ(request.body, R"({"Arguments":{"--a":"1"},"JobName":"nightly","NumberOfWorkers":4,)"
                          R"("Timeout":120,"WorkerType":"G.1X"})");
}

TEST_F(GlueTest, AThrottledStartIsTriedAgainAndOneThatMayHaveBegunIsNot) {
  auto throttled = glue({bad(400, "ThrottlingException"), good(R"({"JobRunId":"jr_1"})")});
  EXPECT_EQ(throttled.start({.job = "j"}).value(), "jr_1");
  EXPECT_EQ(fake_->requests().size(), 2U);
  auto lost = glue({bad(500, "InternalServiceException")});
  EXPECT_EQ(lost.start({.job = "j"}).error().code, Code::Unknown);
  EXPECT_EQ(fake_->requests().size(), 1U);
  EXPECT_EQ(glue({good("[]")}).start({.job = "j"}).error().code, Code::Corrupt);
}

TEST_F(GlueTest, TellsHowARunStands) {
  const auto stands = [&](const std::string& state) {
    return glue({good(R"({"JobRun":{"JobRunState":")" + state + R"(","ErrorMessage":"why"}})")})
        .describe("j", "jr_1")
        .value();
  };
  for (const auto* state : {"STARTING", "RUNNING", "STOPPING", "WAITING", "A NEW ONE"}) {
    EXPECT_EQ(stands(state).what, What::Running) << state;
  }
  for (const auto* state : {"FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}) {
    EXPECT_EQ(stands(state).what, What::Failed) << state;
    EXPECT_EQ(stands(state).error, "why");
  }
  EXPECT_EQ(stands("SUCCEEDED").what, What::Succeeded);
  EXPECT_EQ(glue({good("{}")}).describe("j", "jr_1").error().code, Code::Corrupt);
}

TEST_F(GlueTest, FindsARunByItsArguments) {
  const std::string first =
      R"({"JobRuns":[{"Id":"jr_3"},{"Id":"jr_2","Arguments":{"--run":"b"}}],"NextToken":"n"})";
  const std::string second = R"({"JobRuns":[{"Id":"jr_1","Arguments":{"--run":"a/2"}}]})";
  auto asked = glue({good(first), good(second)});
  EXPECT_EQ(asked.find("j", "--run", "a").value(), "jr_1");
  EXPECT_THAT(fake_->requests().at(1).body, HasSubstr(R"("NextToken":"n")"));
  EXPECT_EQ(asked.find("j", "--run", "c").value(), std::nullopt);
}

TEST_F(GlueTest, RefusalsSayWhatToDo) {
  EXPECT_EQ(glue({bad(400, "EntityNotFoundException")}).start({.job = "j"}).error().code,
            Code::NotFound);
  EXPECT_EQ(glue({bad(400, "ConcurrentRunsExceededException")}).start({.job = "j"}).error().code,
            Code::Exhausted);
  const auto denied = glue({bad(400, "AccessDeniedException")}).stop("j", "jr_1").error();
  EXPECT_EQ(denied.code, Code::Denied);
  EXPECT_THAT(denied.message, HasSubstr("the policy must allow glue:BatchStopJobRun"));
}

}  // namespace
}  // namespace millrace::aws
