#include "source/s3_files.hpp"

#include <algorithm>

#include "aws/test_aws.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "source/files_source.hpp"
#include "source/test_files.hpp"

namespace millrace::source {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Offset;
using base::Result;
using base::ShardId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Bodies = std::vector<std::string>;

/// A bucket that a test plays: objects by key, pages of some size.
class Bucket {
 public:
  http::Response answer(const http::Request& request) {
    if (fault != 0) {
      return {.status = fault, .body = "<Error><Code>" + fault_code + "</Code></Error>"};
    }
    const auto mark = request.target.find('?');
    if (mark != std::string::npos) return list(request.target.substr(mark + 1));
    return get(request);
  }

  std::map<std::string, std::string> objects;
  std::size_t page_keys = 1000;
  int fault = 0;
  std::string fault_code = "AccessDenied";
  std::vector<std::string> starts;  // `start-after` of each listing
  int gets = 0;

 private:
  static std::string parameter(const std::string& query, const std::string& name) {
    const auto at = ("&" + query).find("&" + name + "=");
    if (at == std::string::npos) return "";
    auto value = query.substr(at + name.size() + 1);
    value.resize(std::min(value.find('&'), value.size()));
    for (auto slash = value.find("%2F"); slash != std::string::npos; slash = value.find("%2F")) {
      value.replace(slash, 3, "/");
    }
    return value;
  }
  static std::string etag(const std::string& bytes) {
    return "e" + std::to_string(std::hash<std::string>()(bytes));
  }

  http::Response list(const std::string& query) {
    const auto prefix = parameter(query, "prefix");
    auto after = parameter(query, "continuation-token");
    if (after.empty()) starts.push_back(parameter(query, "start-after"));
    if (after.empty()) after = starts.back();
    std::string body = "<ListBucketResult>", last;
    std::size_t count = 0;
    bool is_cut = false;
    for (const auto& [key, bytes] : objects) {
      if (!key.starts_with(prefix) || key <= after) continue;
      const bool is_below = key.find('/', prefix.size()) != std::string::npos;
      if (is_below && !parameter(query, "delimiter").empty()) continue;
      if (count++ == page_keys) {
        is_cut = true;
        break;
      }
      last = key;
      body += "<Contents><Key>" + key + "</Key><Size>" + std::to_string(bytes.size()) +
              "</Size><ETag>" + etag(bytes) +
              "</ETag><LastModified>2026-01-31T12:00:00Z</LastModified></Contents>";
    }
    if (is_cut) {
      body += "<IsTruncated>true</IsTruncated><NextContinuationToken>" + last +
              "</NextContinuationToken>";
    }
    return {.status = 200, .body = body + "</ListBucketResult>"};
  }

  http::Response get(const http::Request& request) {
    ++gets;
    const auto found = objects.find(request.target.substr(std::string("/data/").size()));
    if (found == objects.end()) {
      return {.status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>"};
    }
    const auto& bytes = found->second;
    const auto match = request.headers.value("If-Match");
    if (!match.empty() && match != etag(bytes)) {
      return {.status = 412, .body = "<Error><Code>PreconditionFailed</Code></Error>"};
    }
    const auto range = std::string(request.headers.value("Range"));
    const auto from = std::stoull(range.substr(6));
    const auto last = std::stoull(range.substr(range.find('-') + 1));
    return {.status = 206,
            .headers = {{"ETag", etag(bytes)},
                        {"Content-Range", "bytes 0-0/" + std::to_string(bytes.size())}},
            .body = bytes.substr(from, last - from + 1)};
  }
};

class S3FilesTest : public testing::Test {
 protected:
  S3FilesTest() {
    config_.name = "orders";
    config_.schema.push_back({.name = "a"});
    let_glob("in/*.ndjson*");
    bench_.environment["AWS_ENDPOINT_URL_S3"] = fake_.url();
    bench_.environment["AWS_MAX_ATTEMPTS"] = "1";
    const auto settings = aws::Settings::read(bench_.environment).value();
    provider_ = aws::CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
  }
  void let_glob(const std::string& glob) {
    config::FilesSource files{.glob = "s3://data/" + glob};
    files.s3 = config::S3Place{.bucket = "data", .key = glob};
    files.look_every = 10s;
    config_.from = files;
  }
  Result<std::unique_ptr<Source>> try_open() {
    auto store = TRY(open_s3_files(config_, *client_, bench_.clock));
    return open_files_source(config_, std::move(store), folder_.path() / "state",
                             {disk_, bench_.clock, bench_.random, {bench_.log, bench_.metrics}});
  }
  void open() {
    source_.reset();
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().text();
    source_ = std::move(opened).value();
  }
  Result<Bodies> read(std::uint64_t bytes_max = 1'000'000) {
    auto batch = TRY(source_->read(ShardId(0), position_, bytes_max));
    Bodies bodies;
    for (const auto& record : batch.records) bodies.emplace_back(record.bytes);
    position_ = batch.next;
    return bodies;
  }
  Bodies read_all() {
    Bodies all;
    for (;;) {
      const auto some = read();
      EXPECT_TRUE(some) << some.error().text();
      if (!some || some->empty()) return all;
      all.insert(all.end(), some->begin(), some->end());
    }
  }
  void let_pass() { bench_.clock.advance(10s); }

  Bucket bucket_;
  aws::AwsBench bench_;
  aws::FakeAws fake_{[this](const http::Request& request) { return bucket_.answer(request); }};
  os::TestFolder folder_;
  os::RealDisk disk_;
  config::Source config_;
  std::unique_ptr<aws::CredentialProvider> provider_;
  std::optional<aws::Client> client_;
  std::unique_ptr<Source> source_;
  Offset position_{0};
};

TEST_F(S3FilesTest, ReadsObjectsByNameAndNewOnesAsTheyCome) {
  bucket_.objects = {{"in/2.ndjson", "b\n"},   {"in/1.ndjson.gz", gzip("a\naa\n")},
                     {"in/x.txt", "no\n"},     {"in/below/1.ndjson", "no\n"},
                     {"out/1.ndjson", "no\n"}, {"in/empty.ndjson", ""}};
  open();
  EXPECT_THAT(read_all(), ElementsAre("a", "aa", "b"));
  bucket_.objects["in/3.ndjson.zst"] = zstd("c\n");
  bucket_.objects["in/0.ndjson"] = "late\n";
  EXPECT_THAT(read_all(), IsEmpty()) << "not looked for yet";
  let_pass();
  EXPECT_THAT(read_all(), ElementsAre("late", "c"));
  open();
  position_ = Offset(0);
  EXPECT_THAT(read_all(), ElementsAre("a", "aa", "b", "late", "c")) << "the same again";
}

TEST_F(S3FilesTest, GoesOnInTheMiddleOfAnObject) {
  std::string body;
  for (int i = 0; i < 40'000; ++i) body += "record " + std::to_string(i) + "\n";
  bucket_.objects["in/1.ndjson"] = body;
  open();
  const auto some = read(100'000).value();
  open();
  const auto rest = read_all();
  ASSERT_EQ(some.size() + rest.size(), 40'000u);
  EXPECT_EQ(rest.front(), "record " + std::to_string(some.size()));
}

TEST_F(S3FilesTest, ReadsAnObjectOfManyPieces) {
  std::string body(20 << 20, 'x');
  for (std::size_t at = 999; at < body.size(); at += 1000) body[at] = '\n';
  bucket_.objects["in/1.ndjson"] = body;
  open();
  std::size_t bytes = 0;
  for (const auto& record : read_all()) bytes += record.size() + 1;
  EXPECT_GE(bytes, body.size());
  EXPECT_LE(bucket_.gets, 5) << "a look, and three pieces";
}

TEST_F(S3FilesTest, ListsLittleWhenThereIsMuch) {
  bucket_.page_keys = 2;
  for (int i = 1; i < 6; ++i) bucket_.objects["in/" + std::to_string(i) + ".ndjson"] = "a\n";
  bucket_.objects["in/z.txt"] = "no\n";
  open();
  EXPECT_EQ(read_all().size(), 5u);
  let_pass();
  EXPECT_THAT(read_all(), IsEmpty());
  EXPECT_THAT(bucket_.starts, ElementsAre("", "in/5.ndjson"));
  bucket_.objects["in/6.ndjson"] = "behind\n";
  bucket_.objects["in/0.ndjson"] = "before\n";
  let_pass();
  EXPECT_THAT(read_all(), ElementsAre("behind"));
  bench_.clock.advance(10min);
  EXPECT_THAT(read_all(), ElementsAre("before"));
}

TEST_F(S3FilesTest, MatchesFoldersBelowByTwoStars) {
  let_glob("in/**/*.ndjson");
  bucket_.objects = {{"in/1.ndjson", "a\n"}, {"in/y/m/2.ndjson", "b\n"}, {"in/y/2.txt", "no\n"}};
  open();
  EXPECT_THAT(read_all(), ElementsAre("a", "b"));
  let_glob("in/*/1.ndjson");
  EXPECT_EQ(try_open().error().code, Code::Invalid);
}

TEST_F(S3FilesTest, TellsOfAnObjectThatWasOverwrittenAfterItWasRead) {
  bucket_.objects = {{"in/1.ndjson", "a\n"}};
  open();
  EXPECT_THAT(read_all(), ElementsAre("a"));
  bucket_.objects = {{"in/1.ndjson", "other\n"}, {"in/2.ndjson", "b\n"}};
  let_pass();
  EXPECT_THAT(read_all(), ElementsAre("b"));
  EXPECT_THAT(bench_.metrics.exposition(),
              HasSubstr("millrace_source_files_changed_total{source=\"orders\"} 1"));
  let_pass();
  EXPECT_THAT(read_all(), IsEmpty());
  EXPECT_THAT(bench_.metrics.exposition(),
              HasSubstr("millrace_source_files_changed_total{source=\"orders\"} 1"));
}

TEST_F(S3FilesTest, StopsAtAnObjectThatWasOverwrittenBeforeItWasRead) {
  bucket_.objects = {{"in/1.ndjson", "a\n"}, {"in/2.ndjson", "b\n"}};
  open();
  bucket_.objects["in/2.ndjson"] = "other\n";
  EXPECT_THAT(read().value(), ElementsAre("a"));
  const auto stopped = read();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::Corrupt);
  EXPECT_THAT(stopped.error().text(), HasSubstr("s3://data/in/2.ndjson"));
  // What was read but not committed cannot be read again from another object.
  bucket_.objects = {{"in/1.ndjson", "again\n"}, {"in/2.ndjson", "b\n"}};
  open();
  position_ = Offset(0);
  EXPECT_EQ(read().error().code, Code::Corrupt);
}

TEST_F(S3FilesTest, StopsAtAnObjectThatIsGone) {
  bucket_.objects = {{"in/1.ndjson", "a\n"}};
  open();
  bucket_.objects.clear();
  EXPECT_EQ(read().error().code, Code::NotFound);
  bucket_.fault = 404;
  bucket_.fault_code = "NoSuchBucket";
  EXPECT_EQ(read().error().code, Code::Unavailable) << "a bucket that is gone may come back";
}

TEST_F(S3FilesTest, WaitsForABucketThatRefuses) {
  bucket_.fault = 403;
  const auto refused = try_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::Denied) << "at the start";
  EXPECT_THAT(refused.error().message, HasSubstr("s3:ListBucket"));
  bucket_.fault = 0;
  bucket_.objects = {{"in/1.ndjson", "a\n"}};
  open();
  bucket_.fault = 403;
  EXPECT_EQ(read().error().code, Code::Unavailable);
  bucket_.fault = 0;
  EXPECT_THAT(read_all(), ElementsAre("a"));
  let_pass();
  bucket_.fault = 403;
  EXPECT_THAT(read_all(), IsEmpty());
  EXPECT_THAT(bench_.metrics.exposition(),
              HasSubstr("millrace_source_look_failures_total{source=\"orders\"} 1"));
}

}  // namespace
}  // namespace millrace::source
