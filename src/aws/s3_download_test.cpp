#include <thread>

#include "aws/test_s3.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::HasSubstr;
using testing::Not;

class S3DownloadTest : public S3Test {};

TEST_F(S3DownloadTest, DownloadsInPartsInTheirOrder) {
  const std::string all(12 << 20, 'x');
  serve([&](const http::Request& request) {
    const auto range = std::string(request.headers.value("Range"));
    const auto from = std::stoull(range.substr(6));
    const auto last = std::stoull(range.substr(range.find('-') + 1));
    if (from == 0) std::this_thread::sleep_for(20ms);  // the others are there first
    std::string part = all.substr(from, last - from + 1);
    part[0] = static_cast<char>('0' + from / (5 << 20));
    return http::Response{.status = 206, .body = part};
  });
  std::string got;
  const auto done = s3({.bucket = "lake", .part_bytes = 5 << 20})
                        .download({.key = "k", .size = all.size(), .etag = "\"e\""},
                                  [&](std::string_view bytes) -> base::Result<void> {
                                    got += bytes;
                                    return {};
                                  });
  ASSERT_TRUE(done.has_value()) << done.error().text();
  EXPECT_EQ(got.size(), all.size());
  EXPECT_EQ(got[0], '0');
  EXPECT_EQ(got[5 << 20], '1');
  EXPECT_EQ(got[10 << 20], '2');
  for (const auto& request : fake_->requests()) {
    EXPECT_EQ(request.headers.value("If-Match"), "\"e\"");
  }
}

TEST_F(S3DownloadTest, EndsADownloadAtItsFirstError) {
  serve({xml_error(412, "PreconditionFailed")});
  const auto write = [](std::string_view) -> base::Result<void> { return {}; };
  const auto done = s3().download({.key = "k", .size = 100 << 20, .etag = "e"}, write);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::Invalid);
  EXPECT_LE(fake_->requests().size(), 4u);
  serve({{.status = 206, .body = "short"}});
  EXPECT_EQ(s3().download({.key = "k", .size = 100}, write).error().code, Code::Unavailable);
}

TEST_F(S3DownloadTest, LooksAtAnObjectInTheServicesWords) {
  serve({{.status = 206,
          .headers = {{"ETag", "\"e\""}, {"Content-Range", "bytes 0-0/10"}},
          .body = "x"},
         xml_error(404, "NoSuchBucket"),
         xml_error(403, "AccessDenied"),
         xml_error(400, "ExpiredToken")});
  auto bucket = s3({.bucket = "lake", .region = "eu-west-3"});
  const auto there = bucket.look("k").value();
  EXPECT_EQ(there.size, 10u);
  EXPECT_EQ(there.etag, "\"e\"");
  EXPECT_THAT(std::string(fake_->requests().at(0).headers.value("Authorization")),
              HasSubstr("/eu-west-3/s3/"));
  EXPECT_THAT(bucket.look("k").error().message, HasSubstr("make the bucket"));
  const auto denied = bucket.look("k").error().message;
  EXPECT_THAT(denied, HasSubstr("s3:GetObject"));
  EXPECT_THAT(denied, Not(HasSubstr("s3:PutObject")));
  EXPECT_THAT(bucket.look("k").error().message, HasSubstr("the credentials expired"));
}

}  // namespace
}  // namespace millrace::aws
