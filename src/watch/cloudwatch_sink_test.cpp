#include "watch/cloudwatch_sink.hpp"

#include <nlohmann/json.hpp>

#include "aws/test_aws.hpp"
#include "http/compression.hpp"

namespace millrace::watch {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;

/// A CloudWatch that answers as `answer` says and keeps what it took.
class CloudWatchSinkTest : public testing::Test {
 protected:
  CloudWatchSinkTest()
      : fake_([this](const http::Request& request) {
          if (answer.status == 200) taken.push_back(time_of(request));
          return answer;
        }) {
    bench_.environment["AWS_ENDPOINT_URL"] = fake_.url();
    bench_.environment["AWS_MAX_ATTEMPTS"] = "1";
    const auto settings = aws::Settings::read(bench_.environment).value();
    provider_ = aws::CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
  }

  CloudWatchSink sink(std::uint64_t queue_bytes_max = 1_MiB) {
    return {*client_,
            {.cloudwatch = {.name_space = "Shop"}, .queue_bytes_max = queue_bytes_max},
            bench_.clock,
            {bench_.log, bench_.metrics}};
  }
  void take(CloudWatchSink& sink) {
    sink.take({{.name = "rows", .dimensions = {}, .values = {1}, .counts = {1}}},
              bench_.clock.now(), {});
    bench_.clock.advance(1min);
  }
  /// Minutes after the bench's start at which the data were measured.
  long time_of(const http::Request& request) const {
    // The server has unpacked the body.
    const auto body = Json::parse(request.body);
    const auto seconds = body["MetricData"][0]["Timestamp"].get<double>();
    return static_cast<long>(seconds - 1769860800) / 60;
  }
  std::string counted() const { return bench_.metrics.exposition(); }

  http::Response answer{.status = 200, .body = "{}"};
  std::vector<long> taken;
  aws::AwsBench bench_;
  aws::FakeAws fake_;
  std::unique_ptr<aws::CredentialProvider> provider_;
  std::optional<aws::Client> client_;
};

TEST_F(CloudWatchSinkTest, KeepsDataWhileCloudWatchIsAway) {
  auto to = sink();
  take(to);
  answer.status = 503;
  testing::internal::CaptureStderr();
  take(to), take(to);
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(log.find("metrics.not_sent"), log.rfind("metrics.not_sent"));
  answer.status = 200;
  testing::internal::CaptureStderr();
  take(to);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("metrics.sent_again"));
  EXPECT_EQ(taken, (std::vector<long>{0, 1, 2, 3}));
  EXPECT_THAT(counted(), HasSubstr("millrace_metrics_sent_total{to=\"cloudwatch\"} 4"));
  EXPECT_THAT(counted(), HasSubstr("millrace_metrics_queue_bytes{to=\"cloudwatch\"} 0"));
}

TEST_F(CloudWatchSinkTest, TellsOfEachKindOfTroubleOnceWithItsMend) {
  auto to = sink();
  testing::internal::CaptureStderr();
  answer = {.status = 400, .body = R"({"__type":"AccessDeniedException","message":"no"})"};
  take(to), take(to);
  answer = {.status = 400, .body = R"({"__type":"ThrottlingException","message":"slow"})"};
  take(to), take(to);
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("cloudwatch:PutMetricData"));
  EXPECT_THAT(log, HasSubstr("a longer `every`"));
  std::size_t told = 0;
  for (auto at = log.find("metrics.not_sent"); at != log.npos; ++told) {
    at = log.find("metrics.not_sent", at + 1);
  }
  EXPECT_EQ(told, 2U) << log;
}

TEST_F(CloudWatchSinkTest, DropsTheOldestAboveItsLimit) {
  auto probe = sink();
  auto to = sink(500);  // three or so
  answer.status = 503;
  for (int i = 0; i < 20; ++i) take(to);
  answer.status = 200;
  take(to);
  ASSERT_FALSE(taken.empty());
  EXPECT_LT(taken.size(), 6U);
  EXPECT_EQ(taken.back(), 20);
  EXPECT_EQ(taken.front(), 21 - static_cast<long>(taken.size()));
  EXPECT_THAT(counted(), HasSubstr("dropped_total{reason=\"queue_full\",to=\"cloudwatch\"} " +
                                   std::to_string(21 - taken.size())));
}

TEST_F(CloudWatchSinkTest, DropsWhatIsTooOldOrRefusedForGood) {
  auto to = sink();
  answer.status = 503;
  take(to);
  bench_.clock.advance(14 * 24h);
  answer = {.status = 400, .body = R"({"__type":"InvalidParameterValue","message":"no"})"};
  take(to);
  answer = {.status = 200, .body = "{}"};
  take(to);
  EXPECT_EQ(taken, (std::vector<long>{14 * 24 * 60 + 2}));
  EXPECT_THAT(counted(), HasSubstr("dropped_total{reason=\"too_old\",to=\"cloudwatch\"} 1"));
  EXPECT_THAT(counted(), HasSubstr("dropped_total{reason=\"refused\",to=\"cloudwatch\"} 1"));
}

}  // namespace
}  // namespace millrace::watch
