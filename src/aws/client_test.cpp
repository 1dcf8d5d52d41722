#include "aws/client.hpp"

#include "aws/test_aws.hpp"
#include "aws/verify.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::HasSubstr;
using testing::IsEmpty;

http::Response json_error(int status, const std::string& code) {
  return {.status = status,
          .headers = {{"Content-Type", "application/x-amz-json-1.1"}},
          .body = R"({"__type":"com.amazonaws.kinesis#)" + code + R"(","message":"because"})"};
}

class ClientTest : public testing::Test {
 protected:
  /// Answers the requests in turn, the last answer again and again.
  void serve(std::vector<http::Response> answers) {
    fake_.emplace([answers, next = std::size_t{0}](const http::Request&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    });
    bench_.environment["AWS_ENDPOINT_URL"] = fake_->url();
  }

  Client& client() {
    if (!client_) {
      const auto settings = Settings::read(bench_.environment).value();
      provider_ = CredentialProvider::open(settings, bench_.tools()).value();
      client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    }
    return *client_;
  }
  base::Result<Outcome> list_streams(Call::Repeat repeat = Call::Repeat::Always) {
    return client().call_json(kKinesis, {"ListStreams", "{}", repeat, 200ms});
  }
  std::string body_of(const base::Result<Outcome>& outcome) {
    if (!outcome) return outcome.error().text();
    const auto* refused = std::get_if<ServiceError>(&*outcome);
    return refused != nullptr ? refused->as_error("refused").text()
                              : std::get<http::Response>(*outcome).body;
  }

  AwsBench bench_;
  std::optional<FakeAws> fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

TEST_F(ClientTest, SendsAJsonOperationThatIsSigned) {
  serve({{.status = 200, .body = R"({"StreamNames":[]})"}});
  EXPECT_EQ(body_of(list_streams()), R"({"StreamNames":[]})");
  const auto request = fake_->requests().at(0);
  EXPECT_EQ(request.headers.value("X-Amz-Target"), "Kinesis_20131202.ListStreams");
  EXPECT_EQ(request.headers.value("Content-Type"), "application/x-amz-json-1.1");
  const auto verdict =
      verify(request, {.find_key = [](std::string_view) { return KnownKey{"bench-secret"}; },
                       .service = "kinesis",
                       .region = "eu-central-1",
                       .now = bench_.clock.now()});
  EXPECT_TRUE(std::holds_alternative<Verified>(verdict)) << std::get<Refusal>(verdict).message;
}

TEST_F(ClientTest, SendsAQueryOperation) {
  serve({{.status = 200, .body = "<PublishResponse/>"}});
  const auto outcome = client().call_query(kSns, {"Publish", {{"Message", "a&b c"}}});
  EXPECT_EQ(body_of(outcome), "<PublishResponse/>");
  EXPECT_THAT(fake_->requests().at(0).body, HasSubstr("Message=a%26b"));
}

TEST_F(ClientTest, TriesAgainWhatMayPass) {
  serve({{.status = 500}, {.status = FakeAws::kBreakOff}, {.status = 200, .body = "{}"}});
  EXPECT_EQ(body_of(list_streams()), "{}");
  EXPECT_EQ(fake_->requests().size(), 3u);
  ASSERT_EQ(bench_.pauses.size(), 2u);
  EXPECT_LE(bench_.pauses[0], 50ms);
  EXPECT_LE(bench_.pauses[1], 100ms);
}

TEST_F(ClientTest, EndsAfterTheAttemptsThatAreAllowed) {
  bench_.environment["AWS_MAX_ATTEMPTS"] = "2";
  serve({{.status = 503}});
  EXPECT_THAT(body_of(list_streams()), HasSubstr("ServiceUnavailable"));
  EXPECT_EQ(fake_->requests().size(), 2u);
}

TEST_F(ClientTest, SlowsDownWhenThrottled) {
  serve({json_error(400, "ProvisionedThroughputExceededException"), {.status = 200, .body = "{}"}});
  EXPECT_EQ(body_of(list_streams()), "{}");
  bench_.environment["AWS_MAX_ATTEMPTS"] = "1";
  client_.reset();
  serve({json_error(400, "ProvisionedThroughputExceededException")});
  const auto outcome = list_streams();
  const auto error = std::get<ServiceError>(*outcome).as_error("put records");
  EXPECT_EQ(error.code, Code::Exhausted);
  EXPECT_EQ(error.message, "put records: ProvisionedThroughputExceededException: because");
}

TEST_F(ClientTest, WaitsAsLongAsTheServiceSays) {
  serve({{.status = 503, .headers = {{"Retry-After", "7"}}},
         {.status = 503, .headers = {{"x-amz-retry-after", "1234"}}},
         {.status = 200, .body = "{}"}});
  EXPECT_EQ(body_of(list_streams()), "{}");
  EXPECT_EQ(bench_.pauses, (std::vector{7'000ms, 1'234ms}));
}

TEST_F(ClientTest, DoesNotAnswerAnOutageByAStorm) {
  serve({{.status = 500}});
  for (int i = 0; i < 100; ++i) list_streams().value();
  // 100 first attempts, and as many retries as the budget of 500 holds at 5 each.
  EXPECT_EQ(fake_->requests().size(), 200u);
}

TEST_F(ClientTest, DoesNotRepeatWhatMayHaveBeenDone) {
  serve({{.status = 500}});
  EXPECT_THAT(body_of(list_streams(Call::Repeat::IfNotDone)), HasSubstr("InternalError"));
  EXPECT_EQ(fake_->requests().size(), 1u);
  client_.reset();
  for (const int lost : {FakeAws::kBreakOff, FakeAws::kHang}) {
    serve({{.status = lost}});
    client_.reset();
    const auto outcome = list_streams(Call::Repeat::IfNotDone);
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, Code::Unknown);
    EXPECT_EQ(fake_->requests().size(), 1u);
  }
  EXPECT_THAT(bench_.metrics.exposition(),
              HasSubstr("millrace_aws_ambiguous_total{service=\"kinesis\"} 2"));
}

TEST_F(ClientTest, TakesTheServicesClockIfOursIsWrong) {
  serve({{.status = 403, .body = "<Error><Code>RequestTimeTooSkewed</Code></Error>"},
         {.status = 200, .body = "{}"}});
  fake_->clock.advance(2h);
  EXPECT_EQ(body_of(list_streams()), "{}");
  EXPECT_EQ(body_of(list_streams()), "{}");
  const auto requests = fake_->requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].headers.value("X-Amz-Date"), "20260131T120000Z");
  EXPECT_EQ(requests[1].headers.value("X-Amz-Date"), "20260131T140000Z");
  EXPECT_EQ(requests[2].headers.value("X-Amz-Date"), "20260131T140000Z");
}

TEST_F(ClientTest, SaysWhatToCheckIfASignatureIsWrong) {
  serve({json_error(400, "InvalidSignatureException")});
  EXPECT_THAT(body_of(list_streams()), HasSubstr("check the secret access key"));
  EXPECT_EQ(fake_->requests().size(), 1u);
  EXPECT_EQ(std::get<ServiceError>(*list_streams()).as_error("").code, Code::Denied);
}

TEST_F(ClientTest, GetsNewCredentialsIfTheyExpired) {
  bench_.no_keys();
  bench_.write("config", "[default]\ncredential_process = cat " +
                             (bench_.folder.path() / "keys").string() + "\n");
  bench_.write("keys", R"({"Version":1,"AccessKeyId":"AKIDOLD","SecretAccessKey":"s"})");
  serve({json_error(400, "ExpiredTokenException"), {.status = 200, .body = "{}"}});
  client();
  provider_->get().value();
  bench_.write("keys", R"({"Version":1,"AccessKeyId":"AKIDNEW","SecretAccessKey":"s"})");
  EXPECT_EQ(body_of(list_streams()), "{}");
  const auto requests = fake_->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(std::string(requests[0].headers.value("Authorization")), HasSubstr("AKIDOLD"));
  EXPECT_THAT(std::string(requests[1].headers.value("Authorization")), HasSubstr("AKIDNEW"));
}

TEST_F(ClientTest, StopsBetweenTwoAttempts) {
  serve({{.status = 500}});
  std::stop_source stop;
  const auto settings = Settings::read(bench_.environment).value();
  Client stopping(settings, bench_.tools(), nullptr, [&](auto, const std::stop_token&) {
    stop.request_stop();
    return false;
  });
  const auto outcome = stopping.call_json(kKinesis, {"ListStreams", "{}"}, stop.get_token());
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, Code::Cancelled);
  EXPECT_EQ(fake_->requests().size(), 1u);
}

TEST_F(ClientTest, SaysWhichHostCannotBeFound) {
  bench_.environment["AWS_ENDPOINT_URL"] = "http://kinesis.invalid";
  bench_.environment["AWS_MAX_ATTEMPTS"] = "1";
  const auto outcome = list_streams();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, Code::Unavailable);
  EXPECT_THAT(outcome.error().message, HasSubstr("kinesis.invalid"));
}

TEST_F(ClientTest, SurvivesAnAnswerThatIsNoErrorDocument) {
  serve({{.status = 404, .body = "<html><body>Not found</body>"}});
  const auto outcome = list_streams();
  const auto& refused = std::get<ServiceError>(*outcome);
  EXPECT_EQ(refused.code, "NotFound");
  EXPECT_EQ(refused.as_error("x").code, Code::NotFound);
}

TEST(Retry, WaitsLongerEachTimeButNotForever) {
  base::Random random(1);
  for (int attempt = 2; attempt < 60; ++attempt) {
    EXPECT_LE(backoff(attempt, Pace::Throttled, {}, random), 20s);
  }
  EXPECT_EQ(backoff(2, Pace::Passing, {{"Retry-After", "86400"}}, random), 20s);
  EXPECT_LE(backoff(2, Pace::Passing, {{"Retry-After", "-5"}}, random), 50ms);
}

}  // namespace
}  // namespace millrace::aws
