#include "lambda/firehose.hpp"

#include <gmock/gmock.h>

#include "config/read.hpp"

namespace millrace::lambda {
namespace {

using testing::HasSubstr;
using What = flow::Transformed::What;

std::vector<decode::EventRecord> records(int count) {
  static constexpr std::string_view kDigits = "0123456789";
  std::vector<decode::EventRecord> made;
  for (int i = 0; i < count; ++i) {
    made.push_back({.id = kDigits.substr(static_cast<std::size_t>(i), 1),
                    .shard = {},
                    .key = {},
                    .data = "raw",
                    .arrived_at = {}});
  }
  return made;
}

TEST(Firehose, AnswersEachRecordInItsOrder) {
  const auto answer = firehose_answer(
      records(3), std::vector<flow::Transformed>{{What::Rows, "{\"a\":1}\n"},
                                                 {What::Filtered},
                                                 {What::Rejected, "", "malformed", "no JSON"}});
  EXPECT_EQ(answer.body, R"({"records":[{"recordId":"0","result":"Ok","data":"eyJhIjoxfQo="},)"
                         R"({"recordId":"1","result":"Dropped","data":""},)"
                         R"({"recordId":"2","result":"ProcessingFailed","data":"cmF3"}]})");
  EXPECT_EQ(answer.passed, 1U);
  EXPECT_EQ(answer.dropped, 1U);
  EXPECT_EQ(answer.failed, 1U);
  EXPECT_EQ(firehose_answer({}, {}).body, R"({"records":[]})");
}

TEST(Firehose, WhatDoesNotFitFailsFromTheLastOn) {
  std::vector<flow::Transformed> rows(4, {What::Rows, std::string(300, 'x')});
  rows[0] = {What::Rejected, "", "malformed", ""};
  const auto all = firehose_answer(records(4), rows);
  EXPECT_EQ(all.passed, 3U);
  EXPECT_EQ(all.too_large, 0U);
  const auto without_raw = firehose_answer(records(4), rows, all.body.size() - 1);
  EXPECT_EQ(without_raw.passed, 3U) << "Firehose has what it sent";
  EXPECT_THAT(without_raw.body, HasSubstr(R"("ProcessingFailed","data":""},)"));
  const auto less = firehose_answer(records(4), rows, 1100);
  EXPECT_LE(less.body.size(), 1100U);
  EXPECT_EQ(less.passed, 2U);
  EXPECT_EQ(less.failed, 2U);
  EXPECT_EQ(less.too_large, 1U);
  EXPECT_THAT(less.body, HasSubstr(R"({"recordId":"3","result":"ProcessingFailed","data":""}])"));
  EXPECT_EQ(firehose_answer(records(4), rows, 0).failed, 4U);
}

TEST(Firehose, ChoosesTheTableByTheStreamsName) {
  const auto pipeline = std::get<config::Pipeline>(config::parse_pipeline(R"(
pipeline: shop
sources:
  orders: {from: log, format: json, schema: {id: varchar}}
  clicks: {from: log, format: json, schema: {id: varchar}}
  unread: {from: log, format: json, schema: {id: varchar}}
tables:
  checked: {from: orders, sql: SELECT id FROM orders}
  more: {from: checked, sql: SELECT id FROM checked}
  seen: {from: clicks, sql: SELECT id FROM clicks}
  also: {from: clicks, sql: SELECT id FROM clicks}
)",
                                                                          "shop.yaml"));
  const auto chosen = [&](std::string_view stream, std::string_view table = "") {
    const auto found = table_of(pipeline, stream, table);
    return found ? (*found)->name : found.error().message;
  };
  EXPECT_EQ(chosen("orders"), "checked");
  EXPECT_EQ(chosen("orders", "also"), "also");
  EXPECT_THAT(chosen("clicks"), HasSubstr("the tables seen, also read the source 'clicks': set "
                                          "MILLRACE_TABLE"));
  EXPECT_THAT(chosen("unread"), HasSubstr("no table reads the source 'unread'"));
  EXPECT_THAT(chosen("else"), HasSubstr("name the stream after one of them"));
  EXPECT_THAT(chosen("orders", "chekced"), HasSubstr("MILLRACE_TABLE=chekced"));
  auto single = pipeline;
  single.sources.resize(1);
  single.tables.resize(1);
  EXPECT_EQ(table_of(single, "any-name", "").value()->name, "checked");
}

}  // namespace
}  // namespace millrace::lambda
