#include "aws/cloudwatch.hpp"

#include <nlohmann/json.hpp>

#include "aws/test_aws.hpp"
#include "http/compression.hpp"

namespace millrace::aws {
namespace {

using Json = nlohmann::json;
using base::Code;

Json body_of(const MetricRequest& request) {
  return Json::parse(http::decompress(http::Encoding::Gzip, request.body).value());
}

class CloudWatchTest : public testing::Test {
 protected:
  CloudWatch open(http::Response answer) {
    fake_.emplace([answer](const http::Request&) { return answer; });
    bench_.environment["AWS_ENDPOINT_URL_CLOUDWATCH"] = fake_->url();
    const auto settings = Settings::read(bench_.environment).value();
    provider_ = CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    return {*client_, {.name_space = "Shop"}};
  }

  AwsBench bench_;
  std::optional<FakeAws> fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

TEST_F(CloudWatchTest, SendsNumbersAndDistributions) {
  auto cloudwatch = open({.status = 200, .body = "{}"});
  const std::vector<MetricDatum> data{
      {.name = "rows",
       .dimensions = {{"table", "a"}},
       .unit = "Count",
       .values = {3},
       .counts = {1}},
      {.name = "time", .dimensions = {}, .unit = "Seconds", .values = {0.5, 1}, .counts = {2, 7}}};
  const auto requests = cloudwatch.requests(data, bench_.clock.now());
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].count, 2U);
  ASSERT_TRUE(cloudwatch.put(requests[0]));
  const auto sent = fake_->requests().at(0);
  EXPECT_EQ(sent.headers.value("X-Amz-Target"), "GraniteServiceVersion20100801.PutMetricData");
  EXPECT_THAT(std::string(sent.headers.value("Authorization")), testing::HasSubstr("/monitoring/"));
  EXPECT_EQ(body_of(requests[0]), Json::parse(R"({"Namespace":"Shop","MetricData":[
    {"MetricName":"rows","Dimensions":[{"Name":"table","Value":"a"}],"Timestamp":1769860800.0,
     "Unit":"Count","StorageResolution":60,"Value":3.0},
    {"MetricName":"time","Timestamp":1769860800.0,"Unit":"Seconds","StorageResolution":60,
     "Values":[0.5,1.0],"Counts":[2.0,7.0]}]})"));
}

TEST_F(CloudWatchTest, KeepsToTheLimitsOfARequest) {
  const auto cloudwatch = open({.status = 200});
  const std::vector<MetricDatum> many(
      2001, {.name = "m", .dimensions = {}, .values = {1}, .counts = {1}});
  std::vector<std::size_t> counts;
  for (const auto& request : cloudwatch.requests(many, {})) counts.push_back(request.count);
  EXPECT_EQ(counts, (std::vector<std::size_t>{1000, 1000, 1}));

  const std::vector<MetricDatum> large(900, {.name = std::string(255, 'n'),
                                             .dimensions = {{"d", std::string(1024, 'v')}},
                                             .values = {1},
                                             .counts = {1}});
  std::size_t count = 0;
  for (const auto& request : cloudwatch.requests(large, {})) {
    EXPECT_LE(body_of(request).dump().size(), CloudWatch::kBytesMax);
    count += request.count;
  }
  EXPECT_EQ(count, large.size());
  EXPECT_TRUE(cloudwatch.requests({}, {}).empty());
}

TEST_F(CloudWatchTest, TellsWhatWasRefused) {
  auto cloudwatch =
      open({.status = 403, .body = R"({"__type":"AccessDeniedException","message":"no"})"});
  const std::vector<MetricDatum> data{
      {.name = "m", .dimensions = {}, .values = {1}, .counts = {1}}};
  const auto put = cloudwatch.put(cloudwatch.requests(data, {}).at(0));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Code::Denied);
}

}  // namespace
}  // namespace millrace::aws
