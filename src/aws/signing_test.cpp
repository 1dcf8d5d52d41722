#include "aws/signing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/instant.hpp"

namespace millrace::aws {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// The worked examples of the S3 API reference, "Authenticating requests".
const Credentials kExample{.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                           .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
const SigningOptions kS3{
    .region = "us-east-1", .service = "s3", .at = *parse_amz_date("20130524T000000Z")};

http::Request s3_request(std::string method, std::string target) {
  return {.method = std::move(method),
          .target = std::move(target),
          .headers = {{"Host", "examplebucket.s3.amazonaws.com"}}};
}

std::string signature(http::Request request, const Credentials& credentials,
                      const SigningOptions& options) {
  const auto signed_now = sign(request, credentials, options);
  if (!signed_now) return signed_now.error().text();
  const auto value = std::string(request.headers.value("Authorization"));
  return value.substr(value.rfind('=') + 1);
}

TEST(Signing, AgreesWithTheWorkedExamplesOfS3) {
  auto range = s3_request("GET", "/test.txt");
  range.headers.add("Range", "bytes=0-9");
  EXPECT_EQ(signature(range, kExample, kS3),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  auto put = s3_request("PUT", "/test%24file.text");
  put.headers.add("Date", "Fri, 24 May 2013 00:00:00 GMT");
  put.headers.add("X-Amz-Storage-Class", "REDUCED_REDUNDANCY");
  put.body = "Welcome to Amazon S3.";
  EXPECT_EQ(signature(put, kExample, kS3),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(signature(s3_request("GET", "/?lifecycle"), kExample, kS3),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(signature(s3_request("GET", "/?max-keys=2&prefix=J"), kExample, kS3),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(Signing, AgreesWithTheWorkedExampleOfAPresignedRequest) {
  const auto target = presign(s3_request("GET", "/test.txt"), kExample, kS3, std::chrono::days(1));
  ASSERT_TRUE(target.has_value()) << target.error().text();
  EXPECT_THAT(*target, HasSubstr("X-Amz-Expires=86400"));
  EXPECT_THAT(*target, HasSubstr("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957"
                                 "d157751f604d404"));
}

TEST(Signing, SignsAgainInPlaceOfAnEarlierSignature) {
  auto request = s3_request("GET", "/k");
  sign(request, {"id", "secret", "token"}, kS3).value();
  EXPECT_EQ(request.headers.value("X-Amz-Security-Token"), "token");
  auto later = kS3;
  later.at += std::chrono::hours(1);
  sign(request, kExample, later).value();
  EXPECT_EQ(request.headers.count("Authorization"), 1u);
  EXPECT_EQ(request.headers.value("X-Amz-Date"), "20130524T010000Z");
  EXPECT_FALSE(request.headers.has("X-Amz-Security-Token"));
}

TEST(Signing, SendsTheBodyHashOnlyToS3) {
  http::Request request{.method = "POST", .headers = {{"Host", "h"}}, .body = "{}"};
  sign(request, kExample, {.region = "r", .service = "kinesis", .at = kS3.at}).value();
  EXPECT_FALSE(request.headers.has("X-Amz-Content-Sha256"));
  EXPECT_TRUE(request.headers.has("Authorization"));
}

TEST(Signing, LeavesOutWhatOthersMayChangeOnTheWay) {
  auto request = s3_request("GET", "/k");
  request.headers.add("User-Agent", "millrace");
  request.headers.add("Connection", "keep-alive");
  sign(request, kExample, kS3).value();
  EXPECT_THAT(std::string(request.headers.value("Authorization")), Not(HasSubstr("user-agent")));
  EXPECT_THAT(std::string(request.headers.value("Authorization")), Not(HasSubstr("connection")));
}

TEST(Signing, RefusesARequestWithoutHost) {
  http::Request request{.method = "GET"};
  const auto refused = sign(request, kExample, kS3);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("Host"));
}

TEST(Instant, ReadsBothFormsAndNothingElse) {
  EXPECT_EQ(format_amz_date(*parse_amz_date("20260131T235959Z")), "20260131T235959Z");
  EXPECT_EQ(format_amz_date(*parse_amz_date("Sat, 31 Jan 2026 23:59:59 GMT")), "20260131T235959Z");
  EXPECT_FALSE(parse_amz_date("yesterday").has_value());
  EXPECT_FALSE(parse_amz_date("").has_value());
}

}  // namespace
}  // namespace millrace::aws
