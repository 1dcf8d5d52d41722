#include "aws/verify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "aws/instant.hpp"
#include "aws/signing.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using Why = Refusal::Why;

const base::Time kNow = *parse_amz_date("20260131T120000Z");
const Credentials kPlain{"AKIDPLAIN", "plain-secret"};
const Credentials kTemporary{"ASIATEMPORARY", "temporary-secret", "a+token/with=signs"};

std::optional<KnownKey> find_key(std::string_view id) {
  for (const auto& known : {kPlain, kTemporary}) {
    if (known.access_key_id == id) return KnownKey{known.secret_access_key, known.session_token};
  }
  return std::nullopt;
}

VerifyOptions server(std::string service = "kinesis") {
  return {.find_key = find_key, .service = std::move(service), .now = kNow};
}

http::Request kinesis_request() {
  return {.method = "POST",
          .target = "/",
          .headers = {{"Host", "127.0.0.1:8080"},
                      {"X-Amz-Target", "Kinesis_20131202.ListStreams"},
                      {"Content-Type", "application/x-amz-json-1.1"},
                      {"User-Agent", "Boto3/1.40"}},
          .body = "{}"};
}

http::Request signed_request(const Credentials& credentials = kPlain, base::Time at = kNow,
                             std::string region = "us-east-1") {
  auto request = kinesis_request();
  sign(request, credentials, {.region = std::move(region), .service = "kinesis", .at = at}).value();
  return request;
}

/// What is wrong with a request; `Verified` counts as a failure.
Refusal refusal(const http::Request& request, const VerifyOptions& options = server()) {
  const auto answer = verify(request, options);
  if (const auto* refused = std::get_if<Refusal>(&answer)) return *refused;
  ADD_FAILURE() << "was verified";
  return {};
}

void replace(http::Request& request, std::string_view header, std::string_view from,
             std::string_view to) {
  auto value = std::string(request.headers.value(header));
  const auto at = value.find(from);
  ASSERT_NE(at, std::string::npos) << value;
  request.headers.set(header, value.replace(at, from.size(), to));
}

TEST(Verify, AcceptsWhatWasSignedWithAKnownKey) {
  const auto answer = verify(signed_request(), server());
  ASSERT_TRUE(std::holds_alternative<Verified>(answer)) << std::get<Refusal>(answer).message;
  EXPECT_EQ(std::get<Verified>(answer).access_key_id, "AKIDPLAIN");
  EXPECT_EQ(std::get<Verified>(answer).region, "us-east-1");
  EXPECT_TRUE(std::holds_alternative<Verified>(verify(signed_request(kTemporary), server())));
}

TEST(Verify, AcceptsTheTargetsThatClientsSend) {
  for (const auto* target :
       {"/", "/b/date%3D2024-01-01/x%2By%20z", "/b?list-type=2&prefix=a%2Fb&delimiter=%2F",
        "/b?uploads", "/b/k?partNumber=2&uploadId=x~y", "/%C3%BC/a%3Bb%26c%3Dd", "/b//k/../l"}) {
    for (const auto* service : {"s3", "kinesis"}) {
      auto request = kinesis_request();
      request.target = target;
      sign(request, kPlain, {.region = "eu-central-1", .service = service, .at = kNow}).value();
      const auto answer = verify(request, server(service));
      EXPECT_TRUE(std::holds_alternative<Verified>(answer))
          << target << " " << service << ": " << std::get<Refusal>(answer).message;
    }
  }
}

// As the AWS SDK for JavaScript 3.1142.0 signed it for HTTP/2, which has :authority for Host.
TEST(Verify, AcceptsTheAuthorityOfHttp2InPlaceOfTheHost) {
  http::Request request{
      .method = "POST",
      .target = "/",
      .headers = {{"host", "127.0.0.1:18931"},
                  {"content-type", "application/x-amz-json-1.1"},
                  {"x-amz-target", "Kinesis_20131202.ListStreams"},
                  {"content-length", "2"},
                  {"x-amz-user-agent", "aws-sdk-js/3.1142.0"},
                  {"amz-sdk-invocation-id", "243698f7-507e-4843-ac91-46e0dd3f1091"},
                  {"amz-sdk-request", "attempt=1; max=3"},
                  {"x-amz-date", "20261125T025813Z"},
                  {"x-amz-content-sha256",
                   "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
                  {"authorization",
                   "AWS4-HMAC-SHA256 "
                   "Credential=AKIDEXAMPLE12345/20261125/us-east-1/kinesis/aws4_request, "
                   "SignedHeaders=:authority;amz-sdk-invocation-id;amz-sdk-request;content-length;"
                   "content-type;x-amz-content-sha256;x-amz-date;x-amz-target;x-amz-user-agent, "
                   "Signature=4fed6c506b6626bcb77c5bdb8a992c531417f0efa62922685d57e548db432708"}},
      .body = "{}"};
  const VerifyOptions options{
      .find_key = [](std::string_view) { return std::optional(KnownKey{"secretsecretsecret"}); },
      .service = "kinesis",
      .now = *parse_amz_date("20261125T025900Z")};
  const auto answer = verify(request, options);
  EXPECT_TRUE(std::holds_alternative<Verified>(answer)) << std::get<Refusal>(answer).message;
  request.headers.set("host", "127.0.0.1:18932");
  EXPECT_EQ(refusal(request, options).why, Why::SignatureDoesNotMatch);
}

TEST(Verify, AcceptsAPresignedRequestUntilItExpires) {
  for (const auto& credentials : {kPlain, kTemporary}) {
    auto request = kinesis_request();
    request.headers = {{"Host", "h"}};
    request.target = "/?Action=ListStreams&Name=a%20b";
    request.target = *presign(request, credentials,
                              {.region = "us-east-1", .service = "kinesis", .at = kNow}, 60s);
    EXPECT_TRUE(std::holds_alternative<Verified>(verify(request, server())));
    auto options = server();
    options.now = kNow + 61s;
    EXPECT_EQ(refusal(request, options).why, Why::RequestExpired);
    auto changed = request;
    changed.target += "&Limit=1";
    EXPECT_EQ(refusal(changed).why, Why::SignatureDoesNotMatch);
  }
}

TEST(Verify, RefusesWhatIsNotSigned) {
  const auto refused = refusal(kinesis_request());
  EXPECT_EQ(refused.why, Why::MissingAuthenticationToken);
  EXPECT_EQ(json_code(refused.why), "MissingAuthenticationTokenException");
}

TEST(Verify, NamesEachPartThatIsMissing) {
  auto request = kinesis_request();
  request.headers.set("Authorization",
                      "AWS4-HMAC-SHA256 Credential=a/20260131/r/kinesis/aws4_request");
  const auto refused = refusal(request);
  EXPECT_EQ(refused.why, Why::IncompleteSignature);
  EXPECT_THAT(refused.message, HasSubstr("'Signature'"));
  EXPECT_THAT(refused.message, HasSubstr("'SignedHeaders'"));
  EXPECT_THAT(refused.message, HasSubstr("'X-Amz-Date'"));
  for (const auto* header :
       {"Bearer x", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256 Credential=a"}) {
    request.headers.set("Authorization", header);
    EXPECT_EQ(refusal(request).why, Why::IncompleteSignature) << header;
  }
  auto scope = signed_request();
  replace(scope, "Authorization", "/kinesis/aws4_request", "");
  EXPECT_EQ(refusal(scope).why, Why::IncompleteSignature);
  auto date = signed_request();
  date.headers.set("X-Amz-Date", "today");
  EXPECT_EQ(refusal(date).why, Why::IncompleteSignature);
}

TEST(Verify, RefusesAnythingThatWasChanged) {
  auto body = signed_request();
  body.body = "{ }";
  EXPECT_EQ(refusal(body).why, Why::SignatureDoesNotMatch);
  auto target = signed_request();
  target.headers.set("X-Amz-Target", "Kinesis_20131202.DeleteStream");
  EXPECT_EQ(refusal(target).why, Why::SignatureDoesNotMatch);
  auto path = signed_request();
  path.target = "/x";
  EXPECT_EQ(refusal(path).why, Why::SignatureDoesNotMatch);
  auto method = signed_request();
  method.method = "GET";
  EXPECT_EQ(refusal(method).why, Why::SignatureDoesNotMatch);
  auto date = signed_request();
  date.headers.set("X-Amz-Date", "20260131T120001Z");
  EXPECT_EQ(refusal(date).why, Why::SignatureDoesNotMatch);
  auto signature = signed_request();
  const auto value = std::string(signature.headers.value("Authorization"));
  signature.headers.set("Authorization", value.substr(0, value.size() - 1));
  EXPECT_EQ(refusal(signature).why, Why::SignatureDoesNotMatch);
}

TEST(Verify, RefusesABodyHashThatIsNotTheBodys) {
  auto request = kinesis_request();
  sign(request, kPlain, {.region = "us-east-1", .service = "s3", .at = kNow}).value();
  request.body = "other";
  EXPECT_EQ(refusal(request, server("s3")).why, Why::SignatureDoesNotMatch);
  request.headers.set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
  EXPECT_EQ(refusal(request, server("s3")).why, Why::SignatureDoesNotMatch);
}

TEST(Verify, RefusesAWrongSecretAnUnknownKeyAndAWrongToken) {
  EXPECT_EQ(refusal(signed_request({"AKIDPLAIN", "guessed"})).why, Why::SignatureDoesNotMatch);
  EXPECT_EQ(refusal(signed_request({"AKIDNOBODY", "plain-secret"})).why, Why::UnrecognizedClient);
  EXPECT_EQ(refusal(signed_request({"AKIDPLAIN", "plain-secret", "token"})).why,
            Why::UnrecognizedClient);
  auto old = kTemporary;
  old.session_token.clear();
  EXPECT_EQ(refusal(signed_request(old)).why, Why::UnrecognizedClient);
}

TEST(Verify, RefusesAClockThatIsTooFarOff) {
  EXPECT_TRUE(
      std::holds_alternative<Verified>(verify(signed_request(kPlain, kNow - 5min), server())));
  EXPECT_TRUE(
      std::holds_alternative<Verified>(verify(signed_request(kPlain, kNow + 5min), server())));
  const auto late = refusal(signed_request(kPlain, kNow - 5min - 1s));
  EXPECT_EQ(late.why, Why::RequestExpired);
  EXPECT_EQ(late.message,
            "Signature expired: 20260131T115459Z is now earlier than 20260131T115500Z "
            "(20260131T120000Z - 5 min.)");
  EXPECT_EQ(refusal(signed_request(kPlain, kNow + 5min + 1s)).why, Why::RequestNotYetValid);
  auto other_day = signed_request();
  replace(other_day, "Authorization", "/20260131/", "/20260130/");
  EXPECT_EQ(refusal(other_day).why, Why::InvalidSignature);
}

TEST(Verify, RefusesAScopeOfAnotherServiceOrRegion) {
  EXPECT_THAT(refusal(signed_request(), server("dynamodb")).message, HasSubstr("'dynamodb'"));
  auto options = server();
  options.region = "eu-west-1";
  EXPECT_THAT(refusal(signed_request(), options).message, HasSubstr("'eu-west-1'"));
  EXPECT_TRUE(
      std::holds_alternative<Verified>(verify(signed_request(kPlain, kNow, "eu-west-1"), options)));
}

TEST(Verify, WantsHostAndAllHeadersOfAwsSigned) {
  auto host = signed_request();
  replace(host, "Authorization", "content-type;host;", "content-type;");
  EXPECT_EQ(refusal(host).why, Why::InvalidSignature);
  auto added = signed_request();
  added.headers.add("X-Amz-Extra", "1");
  EXPECT_EQ(refusal(added).why, Why::InvalidSignature);
}

TEST(Verify, NeverQuotesSecrets) {
  for (const auto& request :
       {signed_request({"AKIDPLAIN", "guessed"}), signed_request(kPlain, kNow - 1h),
        signed_request(kTemporary, kNow + 1h)}) {
    const auto refused = refusal(request);
    for (const auto* secret : {"plain-secret", "temporary-secret", "a+token", "guessed"}) {
      EXPECT_THAT(refused.message, Not(HasSubstr(secret)));
    }
  }
}

}  // namespace
}  // namespace millrace::aws
