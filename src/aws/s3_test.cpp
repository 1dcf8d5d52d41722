#include <algorithm>
#include <atomic>

#include "aws/test_s3.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using What = PutOutcome::What;

TEST_F(S3Test, ReadsAnObjectOrSomeOfIt) {
  serve({{.status = 200, .headers = {{"ETag", "\"e\""}}, .body = "0123456789"},
         {.status = 206, .headers = {{"Content-Range", "bytes 2-4/10"}}, .body = "234"},
         {.status = 416, .headers = {{"Content-Range", "bytes */10"}}}});
  const auto whole = s3().get("t/date=1/a b.parquet");
  ASSERT_TRUE(whole.has_value()) << whole.error().text();
  EXPECT_EQ(whole->bytes, "0123456789");
  EXPECT_EQ(whole->size, 10u);
  EXPECT_EQ(whole->etag, "\"e\"");
  const auto some = s3().get("k", {.offset = 2, .size = 3, .if_match = "\"e\""});
  EXPECT_EQ(some->bytes, "234");
  EXPECT_EQ(some->size, 10u);
  const auto beyond = s3().get("k", {.offset = 10});
  EXPECT_EQ(beyond->bytes, "");
  EXPECT_EQ(beyond->size, 10u);
  EXPECT_EQ(s3().get("k", {.size = 0})->bytes, "");
  const auto requests = fake_->requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].target, "/lake/t/date%3D1/a%20b.parquet");
  EXPECT_EQ(requests[1].headers.value("Range"), "bytes=2-4");
  EXPECT_EQ(requests[1].headers.value("If-Match"), "\"e\"");
  EXPECT_EQ(requests[2].headers.value("Range"), "bytes=10-");
}

TEST_F(S3Test, PutsTheBucketIntoTheHostWhereTheProfileSaysSo) {
  serve({{.status = 200}});
  auto url = fake_->url();
  bench_.environment["AWS_ENDPOINT_URL_S3"] = url.replace(url.find("127.0.0.1"), 9, "localhost");
  bench_.write("config", "[default]\ns3 =\n  addressing_style = virtual\n");
  ASSERT_TRUE(s3().put("a/b", "v").has_value());
  EXPECT_EQ(s3().list({}).error().code, Code::Corrupt);  // it is no list, but was asked for
  const auto requests = fake_->requests();
  EXPECT_THAT(std::string(requests[0].headers.value("Host")),
              testing::StartsWith("lake.localhost:"));
  EXPECT_EQ(requests[0].target, "/a/b");
  EXPECT_THAT(requests[1].target, testing::StartsWith("/?list-type=2"));
  ASSERT_TRUE(s3({.bucket = "my.lake"}).put("k", "v").has_value());
  EXPECT_EQ(fake_->requests().back().target, "/my.lake/k");
}

TEST_F(S3Test, SaysWhatIsMissingAndWhatIsNotAllowed) {
  serve({xml_error(404, "NoSuchKey"), xml_error(404, "NoSuchBucket"),
         xml_error(403, "AccessDenied"), xml_error(400, "ExpiredToken")});
  EXPECT_EQ(s3().get("k").error().code, Code::NotFound);
  auto error = s3().get("k").error();
  EXPECT_EQ(error.code, Code::NotFound);
  EXPECT_THAT(error.message, AllOf(HasSubstr("s3://lake/k"), HasSubstr("make the bucket")));
  error = s3().get("k").error();
  EXPECT_EQ(error.code, Code::Denied);
  EXPECT_THAT(error.message, HasSubstr("s3:GetObject"));
  error = s3().get("k").error();
  EXPECT_EQ(error.code, Code::Denied);
  EXPECT_THAT(error.message, HasSubstr("get new ones"));
}

TEST_F(S3Test, SaysInWhichRegionTheBucketIs) {
  serve({{.status = 301,
          .headers = {{"x-amz-bucket-region", "us-west-2"}},
          .body = "<Error><Code>PermanentRedirect</Code></Error>"}});
  const auto error = s3().get("k").error();
  EXPECT_EQ(error.code, Code::Invalid);
  EXPECT_THAT(error.message, HasSubstr("set AWS_REGION=us-west-2"));
}

TEST_F(S3Test, LooksAtAnObject) {
  serve({{.status = 200,
          .headers = {{"ETag", "\"e\""}, {"Last-Modified", "Sat, 31 Jan 2026 10:00:00 GMT"}},
          .body = "12345"},
         {.status = 404}});
  const auto there = s3().head("k");
  ASSERT_TRUE(there.has_value()) << there.error().text();
  ASSERT_TRUE(there->has_value());
  EXPECT_EQ((*there)->modified_at, *parse_amz_date("20260131T100000Z"));
  EXPECT_FALSE(s3().head("k")->has_value());
}

TEST_F(S3Test, CreatesOnlyWhatIsNotThere) {
  serve({{.status = 200},
         xml_error(412, "PreconditionFailed"),
         xml_error(409, "ConditionalRequestConflict"),
         xml_error(500, "InternalError"),
         xml_error(503, "SlowDown"),
         {.status = FakeAws::kBreakOff},
         xml_error(404, "NoSuchBucket")});
  EXPECT_EQ(s3().put_if_absent("k", "v")->what, What::Created);
  EXPECT_EQ(s3().put_if_absent("k", "v")->what, What::Exists);
  EXPECT_EQ(s3().put_if_absent("k", "v")->what, What::Conflict);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(s3().put_if_absent("k", "v")->what, What::Ambiguous);
  EXPECT_EQ(s3().put_if_absent("k", "v").error().code, Code::NotFound);
  const auto requests = fake_->requests();
  EXPECT_EQ(requests.size(), 7u);  // none was sent again
  for (const auto& request : requests) EXPECT_EQ(request.headers.value("If-None-Match"), "*");
}

TEST_F(S3Test, TellsThatNothingWasWrittenIfNobodyListens) {
  serve({{.status = 200}});
  fake_.reset();
  EXPECT_EQ(s3().put_if_absent("k", "v").error().code, Code::Unavailable);
}

TEST_F(S3Test, ListsPageByPage) {
  const std::string head = "<ListBucketResult><Name>lake</Name>";
  const auto object = [](const std::string& key) {
    return "<Contents><Key>" + key +
           "</Key><Size>7</Size><ETag>&quot;e&quot;</ETag>"
           "<LastModified>2026-01-31T10:00:00.000Z</LastModified></Contents>";
  };
  serve({{.status = 200,
          .body = head +
                  "<IsTruncated>true</IsTruncated><NextContinuationToken>a/b+c="
                  "</NextContinuationToken>" +
                  object("p/1&amp;2") + "</ListBucketResult>"},
         {.status = 200,
          .body = head + "<IsTruncated>false</IsTruncated>" + object("p/3") +
                  "<CommonPrefixes><Prefix>p/sub/</Prefix></CommonPrefixes></ListBucketResult>"}});
  const auto all = s3().list_all({.prefix = "p/", .start_after = "p/0", .delimiter = "/"}, 10);
  ASSERT_TRUE(all.has_value()) << all.error().text();
  ASSERT_EQ(all->objects.size(), 2u);
  EXPECT_EQ(all->objects[0].key, "p/1&2");
  EXPECT_EQ(all->objects[0].size, 7u);
  EXPECT_EQ(all->objects[0].modified_at, *parse_amz_date("20260131T100000Z"));
  EXPECT_THAT(all->prefixes, ElementsAre("p/sub/"));
  const auto requests = fake_->requests();
  EXPECT_EQ(requests[0].target,
            "/lake?list-type=2&max-keys=1000&prefix=p%2F&delimiter=%2F&start-after=p%2F0");
  EXPECT_THAT(requests[1].target, HasSubstr("&continuation-token=a%2Fb%2Bc%3D"));
  EXPECT_EQ(s3().list_all({}, 0).error().code, Code::Exhausted);
}

TEST_F(S3Test, RefusesAListingThatIsNone) {
  serve(
      {{.status = 200, .body = "<html><body>hello</body></html>"}, {.status = 200, .body = "{}"}});
  EXPECT_EQ(s3().list({}).error().code, Code::Corrupt);
  EXPECT_EQ(s3().list({}).error().code, Code::Corrupt);
}

TEST_F(S3Test, DeletesManyAndSaysWhichCouldNotBe) {
  serve(
      {{.status = 200, .body = "<DeleteResult/>"},
       {.status = 200,
        .body =
            "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>"}});
  std::vector<std::string> keys(1000, "a<&>");
  keys.emplace_back("b");
  const auto removed = s3().remove_all(keys);
  ASSERT_FALSE(removed.has_value());
  EXPECT_EQ(removed.error().code, Code::Denied);
  EXPECT_THAT(removed.error().message, HasSubstr("s3://lake/b"));
  const auto requests = fake_->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].target, "/lake?delete=");
  EXPECT_THAT(requests[0].body, HasSubstr("<Key>a&lt;&amp;&gt;</Key>"));
}

/// Answers the steps of multipart uploads and puts the parts together.
class Parts {
 public:
  http::Response answer(const http::Request& request) {
    const auto part = request.query_parameter("partNumber");
    if (request.query_parameter("uploads")) {
      return {.status = 200,
              .body =
                  "<InitiateMultipartUploadResult><UploadId>u+1/=</UploadId>"
                  "</InitiateMultipartUploadResult>"};
    }
    if (request.method != "HEAD" && request.query_parameter("uploadId") != "u+1/=") {
      return {.status = 400};
    }
    if (request.method == "DELETE") {
      return ++given_up == 1 ? http::Response{.status = 204} : xml_error(404, "NoSuchUpload");
    }
    if (request.method == "HEAD") return {.status = 200, .body = std::string(12_MiB, 'x')};
    if (!part) {
      completed = request.body;
      if (loses_completion) return {.status = FakeAws::kBreakOff};
      return late_error.empty() ? http::Response{.status = 200, .body = "<Done/>"}
                                : xml_error(200, std::exchange(late_error, {}));
    }
    if (*part == failing_part) return xml_error(403, "AccessDenied");
    ++received;
    sizes[std::stoi(std::string(*part))] = request.body.size();
    return {.status = 200, .headers = {{"ETag", "\"part" + std::string(*part) + "\""}}};
  }
  std::map<int, std::size_t> sizes;
  std::string completed;
  std::string failing_part;
  std::string late_error;
  bool loses_completion = false;
  int given_up = 0;
  std::atomic<int> received = 0;
};

class UploadTest : public S3Test {
 protected:
  UploadTest() {
    serve([this](const http::Request& request) { return parts_.answer(request); });
  }
  base::Result<void> upload(std::uint64_t size, const std::stop_token& stop = {}) {
    return s3({.bucket = "lake", .part_bytes = 5_MiB, .parts_parallel = 3})
        .upload(
            "big", size,
            [this](std::uint64_t, std::uint64_t bytes) {
              const auto held = ++read_ - parts_.received;
              held_max_ = std::max(held_max_.load(), held);
              return base::Result<std::string>(std::string(bytes - short_by_, 'x'));
            },
            stop);
  }
  Parts parts_;
  std::atomic<int> read_ = 0;
  std::atomic<int> held_max_ = 0;
  std::size_t short_by_ = 0;
};

TEST_F(UploadTest, SendsAFileInPartsAndInTheirOrder) {
  const auto done = upload(12_MiB);
  ASSERT_TRUE(done.has_value()) << done.error().text();
  EXPECT_EQ(parts_.sizes, (std::map<int, std::size_t>{{1, 5_MiB}, {2, 5_MiB}, {3, 2_MiB}}));
  EXPECT_EQ(parts_.completed,
            "<CompleteMultipartUpload>"
            "<Part><PartNumber>1</PartNumber><ETag>\"part1\"</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>\"part2\"</ETag></Part>"
            "<Part><PartNumber>3</PartNumber><ETag>\"part3\"</ETag></Part>"
            "</CompleteMultipartUpload>");
  EXPECT_EQ(parts_.given_up, 0);
}

TEST_F(UploadTest, HoldsNoMorePartsThanItMay) {
  EXPECT_TRUE(upload(60_MiB).has_value());
  EXPECT_EQ(parts_.sizes.size(), 12u);
  EXPECT_LE(held_max_, 3);
}

TEST_F(UploadTest, IsGivenUpAfterAnError) {
  parts_.failing_part = "2";
  const auto failed = upload(12_MiB);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, Code::Denied);
  EXPECT_EQ(parts_.given_up, 2);
  EXPECT_EQ(parts_.completed, "");
}

TEST_F(UploadTest, IsGivenUpIfTheFileBecameShorter) {
  short_by_ = 1;
  EXPECT_EQ(upload(12_MiB).error().code, Code::Corrupt);
  EXPECT_EQ(parts_.given_up, 2);
}

TEST_F(UploadTest, IsGivenUpWhenStopped) {
  std::stop_source stop;
  const auto failed = s3({.bucket = "lake", .part_bytes = 5_MiB, .parts_parallel = 1})
                          .upload(
                              "big", 12_MiB,
                              [&](std::uint64_t, std::uint64_t bytes) {
                                stop.request_stop();
                                return base::Result<std::string>(std::string(bytes, 'x'));
                              },
                              stop.get_token());
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, Code::Cancelled);
  EXPECT_EQ(parts_.given_up, 2);
}

TEST_F(UploadTest, IsCompletedAgainIfTheErrorCameLate) {
  parts_.late_error = "InternalError";
  EXPECT_TRUE(upload(12_MiB).has_value());
}

TEST_F(UploadTest, LooksWhetherItIsThereIfTheLastAnswersAreLost) {
  parts_.loses_completion = true;
  EXPECT_TRUE(upload(12_MiB).has_value());
  const auto other_size = upload(17_MiB);
  ASSERT_FALSE(other_size.has_value());
  EXPECT_EQ(other_size.error().code, Code::Unknown);
  EXPECT_EQ(parts_.given_up, 0);
}

TEST_F(S3Test, WritesAFileOfOnePartAtOnce) {
  serve({{.status = 200}});
  const auto read = [](std::uint64_t, std::uint64_t) { return base::Result<std::string>("abc"); };
  EXPECT_TRUE(s3().upload("k", 3, read).has_value());
  EXPECT_EQ(fake_->requests().at(0).method, "PUT");
  EXPECT_EQ(fake_->requests().at(0).body, "abc");
}

TEST_F(S3Test, RefusesAStoreThatIgnoresIfNoneMatch) {
  serve({{.status = 200}});
  base::Random random(1);
  const auto refused = s3().probe("lake/", random);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::Invalid);
  EXPECT_THAT(refused.error().message, HasSubstr("If-None-Match"));
  EXPECT_EQ(fake_->requests().back().method, "DELETE");
  serve({{.status = 200}, xml_error(412, "PreconditionFailed"), {.status = 204}});
  EXPECT_TRUE(s3().probe("lake/", random).has_value());
}

TEST_F(S3Test, RefusesOptionsThatCannotBe) {
  serve({{.status = 200}});
  s3();
  for (const auto* bad : {"", "ab", "a/b", "a..b", "bucket name"}) {
    EXPECT_EQ(S3::open(*client_, {.bucket = bad}).error().code, Code::Invalid) << bad;
  }
  EXPECT_FALSE(S3::open(*client_, {.bucket = "lake", .part_bytes = 1}).has_value());
  EXPECT_FALSE(S3::open(*client_, {.bucket = "lake", .parts_parallel = 0}).has_value());
}

}  // namespace
}  // namespace millrace::aws
