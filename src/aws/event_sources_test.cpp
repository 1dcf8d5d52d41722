#include "aws/event_sources.hpp"

#include "aws/test_aws.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using testing::HasSubstr;

constexpr const char* kArn = "arn:aws:kinesis:eu-west-1:1:stream/orders";

class EventSourcesTest : public testing::Test {
 protected:
  base::Result<std::vector<EventSourceMapping>> ask(std::vector<http::Response> answers) {
    fake_.emplace([answers, next = std::size_t{0}](const http::Request&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    });
    bench_.environment["AWS_ENDPOINT_URL_LAMBDA"] = fake_->url();
    const auto settings = Settings::read(bench_.environment).value();
    provider_ = CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    return event_source_mappings(*client_, kArn);
  }

  AwsBench bench_;
  std::optional<FakeAws> fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

TEST_F(EventSourcesTest, ReadsAllPages) {
  const auto mappings =
      ask({{.status = 200,
            .body = R"({"NextMarker":"a/b","EventSourceMappings":[{"UUID":"u1","State":"Enabled",
                "FunctionArn":"arn:f","ParallelizationFactor":2,"MaximumRetryAttempts":3,
                "MaximumRecordAgeInSeconds":60,"BisectBatchOnFunctionError":true,
                "FunctionResponseTypes":[]}]})"},
           {.status = 200,
            .body = R"({"EventSourceMappings":[{"UUID":"u2","ParallelizationFactor":null,
                "FunctionResponseTypes":["ReportBatchItemFailures"]}]})"}})
          .value();
  ASSERT_EQ(mappings.size(), 2U);
  EXPECT_EQ(mappings[0].function + mappings[0].state, "arn:fEnabled");
  EXPECT_EQ(mappings[0].parallelization, 2);
  EXPECT_EQ(mappings[0].retries, 3);
  EXPECT_EQ(mappings[0].age_seconds, 60);
  EXPECT_TRUE(mappings[0].is_split);
  EXPECT_FALSE(mappings[0].reports_failures);
  EXPECT_EQ(mappings[1].parallelization, 1);
  EXPECT_EQ(mappings[1].retries, -1);
  EXPECT_TRUE(mappings[1].reports_failures);
  EXPECT_THAT(fake_->requests()[1].target, HasSubstr("Marker=a%2Fb"));
  EXPECT_THAT(fake_->requests()[0].target, HasSubstr("stream%2Forders"));
}

TEST_F(EventSourcesTest, SaysWhatIsWrong) {
  EXPECT_EQ(ask({{.status = 200, .body = "[]"}}).error().code, Code::Corrupt);
  EXPECT_EQ(ask({{.status = 200, .body = R"({"EventSourceMappings":[1]})"}}).error().code,
            Code::Corrupt);
  EXPECT_EQ(ask({{.status = 403, .body = R"({"__type":"AccessDeniedException"})"}}).error().code,
            Code::Denied);
}

}  // namespace
}  // namespace millrace::aws
