#include "aws/settings.hpp"

#include "aws/test_aws.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using testing::HasSubstr;

class SettingsTest : public testing::Test {
 protected:
  Settings read() {
    auto settings = Settings::read(bench_.environment);
    EXPECT_TRUE(settings.has_value()) << settings.error().text();
    return std::move(settings).value();
  }
  std::string endpoint(const Service& service) {
    const auto url = read().endpoint(service);
    return url ? *url : url.error().text();
  }
  AwsBench bench_;
};

TEST_F(SettingsTest, FindsTheRegionWhereBotoDoes) {
  EXPECT_EQ(read().region, "eu-central-1");
  bench_.environment.erase("AWS_REGION");
  bench_.write("config", "[default]\nregion = eu-west-3\n[profile shop]\nregion=us-east-2\n");
  EXPECT_EQ(read().region, "eu-west-3");
  bench_.environment["AWS_PROFILE"] = "shop";
  EXPECT_EQ(read().region, "us-east-2");
  bench_.environment["AWS_DEFAULT_REGION"] = "ap-south-1";
  EXPECT_EQ(read().region, "ap-south-1");
}

TEST_F(SettingsTest, KnowsTheEndpointsOfTheServices) {
  EXPECT_EQ(endpoint(kKinesis), "https://kinesis.eu-central-1.amazonaws.com");
  EXPECT_EQ(endpoint(kCloudWatch), "https://monitoring.eu-central-1.amazonaws.com");
  bench_.environment["AWS_USE_FIPS_ENDPOINT"] = "true";
  bench_.environment["AWS_REGION"] = "us-west-2";
  EXPECT_EQ(endpoint(kSts), "https://sts-fips.us-west-2.amazonaws.com");
  bench_.environment.erase("AWS_USE_FIPS_ENDPOINT");
  bench_.environment["AWS_REGION"] = "cn-north-1";
  EXPECT_EQ(endpoint(kS3), "https://s3.cn-north-1.amazonaws.com.cn");
}

TEST_F(SettingsTest, TakesTheMostParticularEndpoint) {
  bench_.write("config",
               "[default]\nendpoint_url = http://profile\nservices = local\n"
               "[services local]\ns3 =\n  endpoint_url = http://services/\n");
  EXPECT_EQ(endpoint(kKinesis), "http://profile");
  EXPECT_EQ(endpoint(kS3), "http://services");
  bench_.environment["AWS_ENDPOINT_URL"] = "http://all/";
  EXPECT_EQ(endpoint(kS3), "http://all");
  bench_.environment["AWS_ENDPOINT_URL_S3"] = "http://s3:9000";
  EXPECT_EQ(endpoint(kS3), "http://s3:9000");
  EXPECT_EQ(endpoint(kKinesis), "http://all");
  bench_.environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  EXPECT_EQ(endpoint(kS3), "https://s3.eu-central-1.amazonaws.com");
}

TEST_F(SettingsTest, SaysHowToSetARegion) {
  bench_.environment.erase("AWS_REGION");
  EXPECT_THAT(endpoint(kKinesis), HasSubstr("set AWS_REGION"));
}

TEST_F(SettingsTest, RefusesAProfileThatIsNotThere) {
  bench_.environment["AWS_PROFILE"] = "nobody";
  const auto settings = Settings::read(bench_.environment);
  ASSERT_FALSE(settings.has_value());
  EXPECT_EQ(settings.error().code, Code::NotFound);
  EXPECT_THAT(settings.error().message, HasSubstr("'nobody'"));
}

TEST_F(SettingsTest, RefusesANumberOfAttemptsThatCannotBe) {
  for (const auto* bad : {"0", "-1", "three", "1000", "3x"}) {
    bench_.environment["AWS_MAX_ATTEMPTS"] = bad;
    EXPECT_FALSE(Settings::read(bench_.environment).has_value()) << bad;
  }
}

TEST_F(SettingsTest, RefusesAFileThatCannotBeRead) {
  bench_.environment["AWS_CONFIG_FILE"] = bench_.folder.path().string();
  const auto folder = Settings::read(bench_.environment);
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().place, bench_.folder.path().string());
}

TEST_F(SettingsTest, ReadsNothingFromTheNullDevice) {
  bench_.environment["AWS_CONFIG_FILE"] = "/dev/null";
  EXPECT_EQ(read().profile, "default");
}

TEST_F(SettingsTest, FindsTheFilesInTheHomeFolder) {
  bench_.environment.erase("AWS_CONFIG_FILE");
  bench_.environment.erase("AWS_SHARED_CREDENTIALS_FILE");
  bench_.environment.erase("AWS_REGION");
  std::filesystem::create_directories(bench_.folder.path() / ".aws");
  bench_.write(".aws/config", "[default]\nregion = sa-east-1\nca_bundle = /ca.pem\n");
  bench_.environment["HOME"] = bench_.folder.path().string();
  EXPECT_EQ(read().region, "sa-east-1");
  EXPECT_EQ(read().ca_file, "/ca.pem");
  bench_.environment["HOME"] = "/nonexistent";
  EXPECT_EQ(read().region, "");
}

}  // namespace
}  // namespace millrace::aws
