#include "lake/s3_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "aws/test_aws.hpp"
#include "lake/data_file.hpp"
#include "lake/table.hpp"
#include "os/real_disk.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

http::Response xml_error(int status, const std::string& code) {
  return {.status = status, .body = "<Error><Code>" + code + "</Code><Message>m</Message></Error>"};
}

/// A bucket `lake` in memory: what a table needs of S3.
class FakeBucket {
 public:
  http::Response answer(const http::Request& request) {
    if (!spoilt.empty()) {
      auto response = spoilt.front();
      spoilt.erase(spoilt.begin());
      return response;
    }
    const auto path = uri_decoded(request.target.substr(0, request.target.find('?')));
    if (path == "/lake") return list(request.query);
    const auto key = path.substr(std::string("/lake/").size());
    if (request.method == "PUT") return put(key, request);
    if (request.method == "DELETE") return objects.erase(key), http::Response{.status = 204};
    const auto found = objects.find(key);
    if (found == objects.end()) return xml_error(404, "NoSuchKey");
    return {.status = 200,
            .headers = {{"ETag", "\"e\""}, {"Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT"}},
            .body = found->second};
  }

  std::map<std::string, std::string> objects;
  std::vector<http::Response> spoilt;  // are answered first

 private:
  http::Response put(const std::string& key, const http::Request& request) {
    const bool is_new = request.headers.value("If-None-Match") == "*";
    if (is_new && objects.contains(key)) return xml_error(412, "PreconditionFailed");
    objects[key] = request.body;
    return {.status = 200, .headers = {{"ETag", "\"e\""}}};
  }
  http::Response list(const http::Parameters& query) {
    std::string prefix;
    std::string after;
    for (const auto& [name, value] : query) {
      if (name == "prefix") prefix = value;
      if (name == "start-after") after = value;
    }
    std::set<std::string> folders;
    std::string body = "<ListBucketResult><IsTruncated>false</IsTruncated>";
    for (const auto& [key, bytes] : objects) {
      if (!key.starts_with(prefix) || key <= after) continue;
      const auto slash = key.find('/', prefix.size());
      if (slash != std::string::npos) {
        folders.insert(key.substr(0, slash + 1));
        continue;
      }
      body += fmt::format(
          "<Contents><Key>{}</Key><Size>{}</Size>"
          "<LastModified>2026-01-31T12:00:00.000Z</LastModified></Contents>",
          key, bytes.size());
    }
    for (const auto& folder : folders) {
      body += "<CommonPrefixes><Prefix>" + folder + "</Prefix></CommonPrefixes>";
    }
    return {.status = 200, .body = body + "</ListBucketResult>"};
  }
};

class S3StoreTest : public testing::Test {
 protected:
  S3StoreTest() {
    bench_.environment["AWS_ENDPOINT_URL_S3"] = fake_.url();
    const auto settings = aws::Settings::read(bench_.environment).value();
    provider_ = aws::CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    s3_.emplace(aws::S3::open(*client_, {.bucket = "lake"}).value());
    store_ = std::make_unique<S3Store>(*s3_, disk_, bench_.folder.path());
    engine_ = sql::Instance::open({.threads = 1}).value();
  }
  std::unique_ptr<Table> table(const TableOptions& options = {}) {
    return std::move(Table::open_or_create("s3://lake/shop/t",
                                           {{"day", sql::Type(DUCKDB_TYPE_DATE)},
                                            {"id", sql::Type(DUCKDB_TYPE_BIGINT)}},
                                           {"day"}, tools(), options))
        .value();
  }
  Tools tools() {
    return {disk_,       *engine_, bench_.clock, bench_.random, {bench_.log, bench_.metrics},
            store_.get()};
  }
  std::vector<std::string> names(const os::Path& folder, std::string_view after = {}) {
    std::vector<std::string> found;
    for (const auto& entry : store_->list(folder, after).value()) {
      found.push_back(entry.name + (entry.is_directory ? "/" : ""));
    }
    return found;
  }

  aws::AwsBench bench_;
  os::RealDisk disk_;
  FakeBucket bucket_;
  aws::FakeAws fake_{[this](const http::Request& request) { return bucket_.answer(request); }};
  std::unique_ptr<aws::CredentialProvider> provider_;
  std::optional<aws::Client> client_;
  std::optional<aws::S3> s3_;
  std::unique_ptr<S3Store> store_;
  std::unique_ptr<sql::Instance> engine_;
};

TEST_F(S3StoreTest, ListsAFolderAsADiskDoes) {
  bucket_.objects = {{"shop/t/", ""},       {"shop/t/a", "1"},   {"shop/t/b/c", "2"},
                     {"shop/t/b/d/e", "3"}, {"shop/t/f", "444"}, {"shop/tt", "5"}};
  EXPECT_THAT(names("s3://lake/shop/t"), ElementsAre("a", "b/", "f"));
  EXPECT_THAT(names("s3://lake/shop/t", "a"), ElementsAre("b/", "f"));
  EXPECT_THAT(names("s3://lake/shop/t/b"), ElementsAre("c", "d/"));
  EXPECT_THAT(names("s3://lake/shop/none"), IsEmpty());
  EXPECT_EQ(store_->list("s3://lake/shop/t", "b").value()[0].size, 3U);
}

TEST_F(S3StoreTest, ReadsWritesAndRemoves) {
  const os::Path path = "s3://lake/shop/t/_delta_log/x";
  EXPECT_EQ(store_->read(path).error().code, Code::NotFound);
  EXPECT_FALSE(store_->stat(path).value());
  EXPECT_EQ(store_->put_if_absent(path, "one")->what, PutOutcome::What::Created);
  EXPECT_EQ(store_->put_if_absent(path, "two")->what, PutOutcome::What::Exists);
  EXPECT_EQ(store_->read(path).value(), "one");
  ASSERT_TRUE(store_->put(path, "three"));
  EXPECT_EQ(store_->stat(path).value()->size, 5U);
  ASSERT_TRUE(store_->remove({path}));
  EXPECT_THAT(bucket_.objects, IsEmpty());
}

TEST_F(S3StoreTest, TellsTheAnswersOfAConditionalWriteApart) {
  const os::Path path = "s3://lake/shop/x";
  bucket_.spoilt = {xml_error(409, "ConditionalRequestConflict")};
  EXPECT_EQ(store_->put_if_absent(path, "1")->what, PutOutcome::What::Conflict);
  bucket_.spoilt = {{.status = aws::FakeAws::kBreakOff}};
  const auto lost = store_->put_if_absent(path, "1").value();
  EXPECT_EQ(lost.what, PutOutcome::What::Ambiguous);
  EXPECT_EQ(lost.error->code, Code::Unknown);
}

TEST_F(S3StoreTest, WhatIsRefusedNowMayBeAllowedLater) {
  for (const auto* code : {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}) {
    bucket_.spoilt = {xml_error(403, code)};
    const auto read = store_->read("s3://lake/shop/x");
    EXPECT_EQ(read.error().code, Code::Unavailable) << code;
    EXPECT_THAT(read.error().message, HasSubstr(code));
  }
  // A bucket that is gone is not a table that is not there.
  bucket_.spoilt = {xml_error(404, "NoSuchBucket")};
  EXPECT_EQ(store_->read("s3://lake/shop/x").error().code, Code::Unavailable);
  bucket_.spoilt = {xml_error(404, "NoSuchBucket")};
  EXPECT_EQ(store_->list("s3://lake/shop", "").error().code, Code::Unavailable);
}

TEST_F(S3StoreTest, ATableCommitsAndIsFoundAgain) {
  auto writer = table();
  auto connection = engine_->connect().value();
  Transaction change{
      .adds = write_data_files(connection, *writer, "(SELECT DATE '2026-11-20' AS day, 7 AS id)")
                  .value(),
      .positions = {{"app", std::nullopt, 1}}};
  ASSERT_TRUE(std::holds_alternative<Committed>(writer->commit(change).value()));
  const auto& path = change.adds[0].path;
  ASSERT_TRUE(bucket_.objects.contains("shop/t/" + path));
  EXPECT_EQ(static_cast<std::int64_t>(bucket_.objects["shop/t/" + path].size()),
            change.adds[0].size);
  EXPECT_THAT(disk_.list(bench_.folder.path()).value(), IsEmpty());  // no draft is left
  auto reader = table();
  EXPECT_EQ(reader->snapshot()->version.value(), 1);
  EXPECT_EQ(reader->snapshot()->transaction("app"), 1);
  EXPECT_TRUE(reader->snapshot()->files.contains(path));
  EXPECT_TRUE(scan_sql(reader->root(), *reader->snapshot())
                  .find("'s3://lake/shop/t/day=2026-11-20/part-") != std::string::npos);
}

TEST_F(S3StoreTest, ACommitWithoutAConflictTakesOneRoundTrip) {
  auto writer = table();
  const auto before = fake_.requests().size();
  ASSERT_TRUE(writer->commit({.positions = {{"app", std::nullopt, 1}}}));
  EXPECT_EQ(fake_.requests().size() - before, 1U);
}

TEST_F(S3StoreTest, AFileThatCannotBeUploadedLeavesNoDraft) {
  auto writer = table();
  auto connection = engine_->connect().value();
  bucket_.spoilt = {xml_error(403, "AccessDenied")};
  const auto files =
      write_data_files(connection, *writer, "(SELECT DATE '2026-11-20' AS day, 7 AS id)");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, Code::Unavailable);
  EXPECT_THAT(disk_.list(bench_.folder.path()).value(), IsEmpty());
}

TEST_F(S3StoreTest, CommitsThatWereSeenAreNotReadAgain) {
  auto writer = table();
  for (int i = 0; i < 5; ++i) {
    const auto expected = i == 0 ? std::nullopt : std::optional<std::int64_t>(i);
    ASSERT_TRUE(writer->commit({.positions = {{"app", expected, i + 1}}}));
  }
  const auto before = fake_.requests().size();
  EXPECT_EQ(writer->commits_after(base::TableVersion(0)).value().size(), 5U);
  EXPECT_EQ(fake_.requests().size(), before);
}

TEST_F(S3StoreTest, TheLogIsListedOnceADayHoweverOftenItIsCheckpointed) {
  auto writer = table({.checkpoint_commits = 1});
  int position = 0;
  const auto lists_of_three = [&] {
    const auto before = fake_.requests().size();
    for (int i = 0; i < 3; ++i) {
      const auto stands = position == 0 ? std::nullopt : std::optional<std::int64_t>(position);
      EXPECT_TRUE(writer->commit({.positions = {{"app", stands, ++position}}}));
      EXPECT_TRUE(writer->maintain(writer->snapshot()->version));
    }
    const auto requests = fake_.requests();
    return std::count_if(requests.begin() + static_cast<std::ptrdiff_t>(before), requests.end(),
                         [](const auto& request) { return request.target.starts_with("/lake?"); });
  };
  EXPECT_EQ(lists_of_three(), 0);
  bench_.clock.advance(std::chrono::hours(24));
  EXPECT_EQ(lists_of_three(), 1);
}

TEST(RecentFilesTest, KeepsTheNewestUsed) {
  RecentFiles files(8);
  files.keep("a", "11"), files.keep("b", "22"), files.keep("c", "33"), files.keep("d", "44");
  EXPECT_EQ(files.find("a"), "11");
  files.keep("e", "55");
  EXPECT_EQ(files.find("b"), std::nullopt);
  EXPECT_EQ(files.find("a"), "11");
  files.keep("large", "666");
  EXPECT_EQ(files.find("large"), std::nullopt);
  files.forget("a");
  EXPECT_EQ(files.find("a"), std::nullopt);
}

TEST(CutS3Path, GivesBucketAndPrefix) {
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(cut_s3_path("s3://lake/a/b"), Pair("lake", "a/b"));
  EXPECT_EQ(cut_s3_path("s3://lake/a/"), Pair("lake", "a"));
  EXPECT_EQ(cut_s3_path("s3://lake"), Pair("lake", ""));
}

}  // namespace
}  // namespace millrace::lake
