#include <latch>
#include <thread>

#include "aws/test_aws.hpp"
#include "aws/verify.hpp"
#include "http/url.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() { bench_.no_keys(); }

  base::Result<Credentials> get() {
    provider_.reset();
    settings_ = Settings::read(bench_.environment).value();
    auto opened = CredentialProvider::open(settings_, bench_.tools());
    if (!opened) return opened.error();
    provider_ = std::move(opened).value();
    return provider_->get();
  }
  std::string key() {
    const auto found = get();
    return found ? found->access_key_id : found.error().text();
  }

  AwsBench bench_;
  Settings settings_;
  std::unique_ptr<CredentialProvider> provider_;
};

TEST_F(CredentialsTest, ComeFromTheEnvironmentFirst) {
  bench_.write("credentials", "[default]\naws_access_key_id=AKIDFILE\naws_secret_access_key=s\n");
  bench_.environment["AWS_ACCESS_KEY_ID"] = "AKIDENV";
  bench_.environment["AWS_SECRET_ACCESS_KEY"] = "secret";
  bench_.environment["AWS_SESSION_TOKEN"] = "token";
  EXPECT_EQ(*get(), (Credentials{"AKIDENV", "secret", "token"}));
  bench_.environment.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_THAT(key(), HasSubstr("AWS_SECRET_ACCESS_KEY is not"));
}

TEST_F(CredentialsTest, ComeFromTheProfile) {
  bench_.write("credentials",
               "[default]\naws_access_key_id=AKIDFILE\naws_secret_access_key=s\n"
               "[shop]\naws_access_key_id=AKIDSHOP\naws_secret_access_key=s\naws_session_token=t\n"
               "[half]\naws_access_key_id=AKIDHALF\n");
  EXPECT_EQ(key(), "AKIDFILE");
  bench_.environment["AWS_PROFILE"] = "shop";
  EXPECT_EQ(*get(), (Credentials{"AKIDSHOP", "s", "t"}));
  bench_.environment["AWS_PROFILE"] = "half";
  EXPECT_THAT(key(), AllOf(HasSubstr("'half'"), HasSubstr("aws_secret_access_key")));
}

TEST_F(CredentialsTest, ComeFromAProcess) {
  bench_.write("config",
               "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"AKIDPROC\","
               "\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
               "\"2026-01-31T18:00:00Z\"}'\n[profile broken]\ncredential_process = exit 3\n"
               "[profile talks]\ncredential_process = echo secret-that-is-no-json\n");
  EXPECT_EQ(*get(), (Credentials{"AKIDPROC", "s", "t", bench_.clock.now() + 6h}));
  bench_.environment["AWS_PROFILE"] = "broken";
  EXPECT_THAT(key(), HasSubstr("ended with 3"));
  bench_.environment["AWS_PROFILE"] = "talks";
  EXPECT_THAT(key(), Not(HasSubstr("secret-that")));
}

/// STS: checks who signed and answers with a key named after the role.
http::Response sts(const http::Request& request, const std::map<std::string, std::string>& keys) {
  const auto form = http::Parameters(http::parse_query(request.body).value());
  const auto value = [&](std::string_view name) {
    for (const auto& [key, text] : form) {
      if (key == name) return text;
    }
    return std::string();
  };
  if (value("Action") == "AssumeRole") {
    const auto verdict =
        verify(request, {.find_key = [&](std::string_view id) -> std::optional<KnownKey> {
                           const auto found = keys.find(std::string(id));
                           if (found == keys.end()) return std::nullopt;
                           return KnownKey{found->second, id.starts_with("ASIA") ? "token" : ""};
                         },
                         .service = "sts",
                         .now = *parse_amz_date("20260131T120000Z")});
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
      return {.status = 403,
              .body = "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>" +
                      refusal->message + "</Message></Error></ErrorResponse>"};
    }
  }
  if (value("Action") == "AssumeRoleWithWebIdentity" && request.headers.has("Authorization")) {
    return {.status = 400};
  }
  const auto role = value("RoleArn");
  const auto action = value("Action");
  return {.status = 200,
          .body = "<" + action + "Response><" + action + "Result><Credentials><AccessKeyId>ASIA" +
                  role.substr(role.rfind('/') + 1) + value("ExternalId") +
                  value("WebIdentityToken") +
                  "</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>token"
                  "</SessionToken><Expiration>2026-01-31T13:00:00Z</Expiration></Credentials></" +
                  action + "Result></" + action + "Response>"};
}

class RoleTest : public CredentialsTest {
 protected:
  RoleTest() {
    bench_.environment["AWS_ENDPOINT_URL_STS"] = sts_.url();
    bench_.write("credentials",
                 "[base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=base-secret\n"
                 "[wrong]\naws_access_key_id=AKIDBASE\naws_secret_access_key=guessed\n");
  }
  void profile(const std::string& text) { bench_.write("config", "[default]\n" + text); }

  FakeAws sts_{[](const http::Request& request) {
    return sts(
        request,
        {{"AKIDBASE", "base-secret"}, {"ASIAfirst", "role-secret"}, {"AKIDENV", "env-secret"}});
  }};
};

TEST_F(RoleTest, IsAssumedWithTheKeysOfAnotherProfile) {
  profile("role_arn = arn:aws:iam::1:role/shop\nsource_profile = base\nexternal_id = X\n");
  EXPECT_EQ(*get(), (Credentials{"ASIAshopX", "role-secret", "token", bench_.clock.now() + 1h}));
}

TEST_F(RoleTest, IsAssumedThroughAnotherRole) {
  profile(
      "role_arn = arn:aws:iam::1:role/second\nsource_profile = middle\n[profile middle]\n"
      "role_arn = arn:aws:iam::1:role/first\nsource_profile = base\n");
  EXPECT_EQ(key(), "ASIAsecond");
}

TEST_F(RoleTest, IsAssumedWithTheKeysOfTheEnvironmentIfItsProfileIsNamed) {
  bench_.write("config",
               "[profile shop]\nrole_arn = arn:aws:iam::1:role/shop\n"
               "credential_source = Environment\n");
  auto settings = Settings::read(bench_.environment, "shop").value();
  EXPECT_THAT(choose_source(settings, bench_.tools()).error().message,
              HasSubstr("AWS_ACCESS_KEY_ID is not set"));
  bench_.environment["AWS_ACCESS_KEY_ID"] = "AKIDENV";
  bench_.environment["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  settings = Settings::read(bench_.environment, "shop").value();
  EXPECT_EQ(choose_source(settings, bench_.tools())->fetch({})->access_key_id, "ASIAshop");
}

TEST_F(RoleTest, SaysWhatIsWrongWithTheProfile) {
  const std::string role = "role_arn = arn:aws:iam::1:role/shop\n";
  profile(role);
  EXPECT_THAT(key(), HasSubstr("either source_profile or credential_source"));
  profile(role + "source_profile = nobody\n");
  EXPECT_THAT(key(), HasSubstr("'nobody' does not exist"));
  profile(role + "source_profile = other\n[profile other]\n" + role + "source_profile = default\n");
  EXPECT_THAT(key(), HasSubstr("leads back"));
  profile(role + "credential_source = Moon\n");
  EXPECT_THAT(key(), HasSubstr("'Moon'"));
  profile(role + "source_profile = base\nmfa_serial = arn:aws:iam::1:mfa/me\n");
  EXPECT_THAT(key(), HasSubstr("mfa_serial"));
  profile("sso_session = corp\n");
  EXPECT_THAT(key(), HasSubstr("export-credentials"));
}

TEST_F(RoleTest, IsRefusedToWrongKeys) {
  profile("role_arn = arn:aws:iam::1:role/shop\nsource_profile = wrong\n");
  const auto refused = get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::Denied);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("AssumeRole"), Not(HasSubstr("guessed"))));
}

TEST_F(RoleTest, IsGivenForAWebIdentityWhoseTokenIsReadAnewEachTime) {
  bench_.environment["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/pod";
  bench_.environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = (bench_.folder.path() / "token").string();
  EXPECT_THAT(key(), HasSubstr("token file cannot be read"));
  bench_.write("token", "one\n");
  EXPECT_EQ(key(), "ASIApodone");
  bench_.write("token", "two\n");
  bench_.clock.advance(51min);
  EXPECT_EQ(provider_->get()->access_key_id, "ASIApodtwo");
  bench_.environment.erase("AWS_ROLE_ARN");
  EXPECT_THAT(key(), HasSubstr("AWS_ROLE_ARN"));
}

TEST_F(RoleTest, LeavesNoSecretInTheLog) {
  profile("role_arn = arn:aws:iam::1:role/shop\nsource_profile = base\n");
  testing::internal::CaptureStderr();
  const auto found = get();
  profile("role_arn = arn:aws:iam::1:role/shop\nsource_profile = wrong\n");
  const auto refused = get();
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(found.has_value());
  EXPECT_FALSE(refused.has_value());
  EXPECT_THAT(log,
              AllOf(HasSubstr("aws.credentials_fetched"), HasSubstr("aws.credentials_failed")));
  for (const auto* secret : {"base-secret", "role-secret", "guessed", "=token"}) {
    EXPECT_THAT(log, Not(HasSubstr(secret)));
  }
}

constexpr auto kKeys = R"({"AccessKeyId":"ASIAHOST","SecretAccessKey":"s","Token":"t",
                           "Expiration":"2026-01-31T18:00:00Z"})";

TEST_F(CredentialsTest, ComeFromTheContainer) {
  FakeAws container([](const http::Request& request) -> http::Response {
    if (request.headers.value("Authorization") != "Bearer rotated") return {.status = 401};
    return {.status = 200, .body = kKeys};
  });
  bench_.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = container.url() + "/creds";
  EXPECT_THAT(key(), HasSubstr("answered 401"));
  bench_.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Bearer rotated";
  EXPECT_EQ(key(), "ASIAHOST");
  bench_.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] =
      (bench_.folder.path() / "token").string();
  bench_.write("token", "Bearer old");
  EXPECT_THAT(key(), HasSubstr("answered 401"));
  bench_.write("token", "Bearer rotated\n");
  EXPECT_EQ(key(), "ASIAHOST");
  EXPECT_EQ(container.requests().back().target, "/creds");
}

TEST_F(CredentialsTest, AreNotAskedOfAnyHostOverPlainHttp) {
  for (const auto* bad : {"http://169.254.1.1/x", "http://example.com/", "ftp://127.0.0.1/"}) {
    bench_.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = bad;
    EXPECT_THAT(key(), HasSubstr("must be https")) << bad;
  }
}

TEST_F(CredentialsTest, ComeFromTheInstancesMetadataWithASessionToken) {
  FakeAws instance([](const http::Request& request) -> http::Response {
    if (request.method == "PUT" && request.target == "/latest/api/token" &&
        request.headers.value("X-aws-ec2-metadata-token-ttl-seconds") == "21600") {
      return {.status = 200, .body = "session"};
    }
    if (request.headers.value("X-aws-ec2-metadata-token") != "session") return {.status = 401};
    const std::string path = "/latest/meta-data/iam/security-credentials/";
    if (request.target == path) return {.status = 200, .body = "shop-role"};
    if (request.target == path + "shop-role") return {.status = 200, .body = kKeys};
    return {.status = 404};
  });
  bench_.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = instance.url() + "/";
  EXPECT_EQ(*get(), (Credentials{"ASIAHOST", "s", "t", bench_.clock.now() + 6h}));
  bench_.environment["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_THAT(key(), HasSubstr("AWS_EC2_METADATA_DISABLED"));
}

TEST_F(CredentialsTest, AreMissedWithAWordOnHowToGiveThem) {
  bench_.environment["AWS_EC2_METADATA_DISABLED"] = "true";
  const auto missing = get();
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::Denied);
  EXPECT_THAT(missing.error().message, AllOf(HasSubstr("AWS_ACCESS_KEY_ID"), HasSubstr("profile"),
                                             HasSubstr("AWS_SECRET_ACCESS_KEY")));
}

/// A source whose keys are numbered and last an hour.
class RefreshTest : public testing::Test {
 protected:
  AwsBench bench_;
  std::atomic<int> fetched_ = 0;
  bool fails_ = false;
  std::latch* arrived_ = nullptr;
  std::latch* may_go_ = nullptr;

  CredentialProvider provider_{{"a test",
                                [this](const std::stop_token&) -> base::Result<Credentials> {
                                  if (arrived_ != nullptr) arrived_->count_down();
                                  if (may_go_ != nullptr) may_go_->wait();
                                  ++fetched_;
                                  if (fails_) return base::Error{Code::Unavailable, "down"};
                                  return Credentials{"K" + std::to_string(fetched_),
                                                     "refresh-secret", "t",
                                                     bench_.clock.now() + 1h};
                                }},
                               bench_.tools()};
  std::string key() {
    const auto found = provider_.get();
    return found ? found->access_key_id : found.error().text();
  }
};

TEST_F(RefreshTest, HappensBeforeTheyExpire) {
  EXPECT_EQ(key(), "K1");
  bench_.clock.advance(44min);
  EXPECT_EQ(key(), "K1");
  bench_.clock.advance(1min);
  EXPECT_EQ(key(), "K2");
}

TEST_F(RefreshTest, KeepsTheOldOnesUntilTheyExpireIfItFails) {
  key();
  fails_ = true;
  bench_.clock.advance(55min);
  EXPECT_EQ(key(), "K1");
  EXPECT_EQ(key(), "K1");
  EXPECT_EQ(fetched_, 2);  // it rests after a failure
  bench_.clock.advance(31s);
  EXPECT_EQ(key(), "K1");
  EXPECT_EQ(fetched_, 3);
  bench_.clock.advance(5min);
  EXPECT_THAT(key(), HasSubstr("down"));
  fails_ = false;
  EXPECT_EQ(key(), "K5");
}

TEST_F(RefreshTest, IsDoneOnceForAllWhoWait) {
  std::latch arrived(1);
  std::latch may_go(1);
  arrived_ = &arrived;
  may_go_ = &may_go;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 8; ++i) callers.emplace_back([this] { EXPECT_EQ(key(), "K1"); });
  arrived.wait();
  may_go.count_down();
  callers.clear();
  EXPECT_EQ(fetched_, 1);
}

TEST_F(RefreshTest, LetsOthersGoOnWithTheOldOnesMeanwhile) {
  key();
  bench_.clock.advance(46min);
  std::latch arrived(1);
  std::latch may_go(1);
  arrived_ = &arrived;
  may_go_ = &may_go;
  std::jthread refresher([this] { EXPECT_EQ(key(), "K2"); });
  arrived.wait();
  EXPECT_EQ(key(), "K1");
  may_go.count_down();
}

TEST_F(RefreshTest, EndsAWaitWhenAskedToStop) {
  std::latch arrived(1);
  std::latch may_go(1);
  arrived_ = &arrived;
  may_go_ = &may_go;
  std::jthread fetcher([this] { key(); });
  arrived.wait();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(provider_.get(stop.get_token()).error().code, Code::Cancelled);
  may_go.count_down();
}

TEST_F(RefreshTest, FollowsARefusalByTheService) {
  const auto first = *provider_.get();
  provider_.refuse(first);
  EXPECT_EQ(key(), "K2");
  provider_.refuse(first);  // by another caller that still had it
  EXPECT_EQ(key(), "K2");
}

TEST_F(RefreshTest, NeverLogsASecret) {
  testing::internal::CaptureStderr();
  key();
  fails_ = true;
  bench_.clock.advance(2h);
  key();
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, AllOf(HasSubstr("aws.credentials_fetched"), HasSubstr("aws.credentials_failed"),
                         Not(HasSubstr("refresh-secret"))));
}

}  // namespace
}  // namespace millrace::aws
