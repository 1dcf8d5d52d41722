#include "app/companion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "app/answer_collector.hpp"
#include "app/data_folder.hpp"
#include "app/sample_request.hpp"
#include "config/read.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::app {
namespace {

using base::Code;
using ::testing::HasSubstr;

TEST(ErrorOf, KeepsCodeMessageAndPlaceOfTheAnswer) {
  const auto error = error_of(
      404, R"j({"error":{"code":"not_found","message":"no such table","place":"byte 7"}})j");
  EXPECT_EQ(error.code, Code::NotFound);
  EXPECT_EQ(error.message, "no such table");
  EXPECT_EQ(error.place, "byte 7");
}

TEST(ErrorOf, SaysTheStatusWhereTheBodyIsNoneOfOurs) {
  EXPECT_EQ(error_of(502, "<html>").code, Code::Unavailable);
  EXPECT_THAT(error_of(502, "<html>").message, HasSubstr("502"));
  EXPECT_EQ(error_of(400, "").code, Code::Invalid);
  EXPECT_EQ(error_of(503, R"({"is_ready":false,"reasons":["a","b"]})").message, "a; b");
}

TEST(Get, LeavesEmptyParametersOutAndEncodesTheRest) {
  EXPECT_EQ(get("/v1/rejects", {{"table", ""}, {"reason", "a b"}}).target,
            "/v1/rejects?reason=a%20b");
  EXPECT_EQ(get("/v1/jobs").target, "/v1/jobs");
}

TEST(Companion, SaysHowToBeginWhereNothingEverRan) {
  const os::TestFolder folder;
  const auto companion = Companion::open(folder.path() / "none");
  ASSERT_FALSE(companion);
  EXPECT_EQ(companion.error().code, Code::NotFound);
  EXPECT_THAT(companion.error().message, HasSubstr("millrace run FILE"));
}

TEST(Companion, FindsNobodyWhereTheLockIsFree) {
  const os::TestFolder folder;
  os::RealDisk disk;
  ASSERT_TRUE(take_data_folder(disk, folder.path()));
  const auto running = reach_running(folder.path());
  ASSERT_TRUE(running);
  EXPECT_EQ(*running, nullptr);
}

TEST(PipelineRecord, IsReadAsItWasWritten) {
  const os::TestFolder folder;
  os::RealDisk disk;
  const PipelineRecord record{"/etc/a.yaml", "pipeline: a\n# \"quoted\" \\ ü\n"};
  ASSERT_TRUE(write_pipeline_record(disk, folder.path(), record));
  const auto read = read_pipeline_record(disk, folder.path());
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->file, record.file);
  EXPECT_EQ(read->text, record.text);
}

TEST(PipelineRecord, SaysWhenItIsDamaged) {
  const os::TestFolder folder;
  os::RealDisk disk;
  ASSERT_TRUE(os::write_file(disk, folder.path() / "pipeline.json", "{\"file\": 1"));
  const auto read = read_pipeline_record(disk, folder.path());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::Corrupt);
}

TEST(AnswerCollector, GivesAStreamedBodyPieceByPiece) {
  std::string body;
  AnswerCollector collector([&](const http::ResponseHead& head, std::string_view piece) {
    EXPECT_EQ(head.status, 200);
    body += piece;
    return base::Result<void>();
  });
  std::jthread handler([&] {
    collector.start(200, {});
    EXPECT_TRUE(collector.write("a"));
    EXPECT_TRUE(collector.write("b"));
    EXPECT_TRUE(collector.finish());
  });
  const auto head = collector.wait();
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(body, "ab");
}

TEST(AnswerCollector, SaysWhenAnAnswerBreaksOff) {
  AnswerCollector collector([](const auto&, auto) { return base::Result<void>(); });
  collector.start(200, {});
  EXPECT_TRUE(collector.write("a"));
  collector.abort();
  EXPECT_EQ(collector.wait().error().code, Code::Unavailable);
}

TEST(AnswerCollector, StopsTheHandlerWhenTheReaderFails) {
  AnswerCollector collector([](const auto&, auto) -> base::Result<void> {
    return base::Error{Code::Cancelled, "the output was closed"};
  });
  collector.start(200, {});
  EXPECT_FALSE(collector.write("a"));
  EXPECT_FALSE(collector.write("b"));
  EXPECT_EQ(collector.wait().error().message, "the output was closed");
}

constexpr std::string_view kSources = R"yaml(
pipeline: p
sources:
  json:
    from: log
    format: json
    schema: {a: varchar, n: "decimal(12,2)", at: timestamptz, l: "integer[]", s: struct(x boolean)}
  csv:
    from: log
    format: csv
    schema: {a: varchar, n: bigint, at: date}
tables:
  t: {from: json, sql: SELECT a FROM json}
)yaml";

TEST(SampleRecord, FitsTheSchema) {
  const auto parsed = config::parse_pipeline(kSources, "/p.yaml");
  const auto* pipeline = std::get_if<config::Pipeline>(&parsed);
  ASSERT_TRUE(pipeline);
  const auto now = base::parse_time("2026-11-24T08:30:00Z").value();
  EXPECT_EQ(sample_record(*pipeline->source("json"), now),
            R"({"a":"a1","n":1.5,"at":"2026-11-24T08:30:00Z","l":[1],"s":{"x":true}})");
  EXPECT_EQ(sample_record(*pipeline->source("csv"), now), "a,n,at\na1,1,2026-11-24");
  EXPECT_EQ(sample_request(*pipeline->source("csv"), "http://h:1", now),
            "curl -H 'Content-Type: text/csv' --data-binary 'a,n,at\na1,1,2026-11-24' "
            "http://h:1/v1/streams/csv/records");
}

}  // namespace
}  // namespace millrace::app
