#include "flow/transform.hpp"

#include <gmock/gmock.h>

#include "config/read.hpp"

namespace millrace::flow {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using What = Transformed::What;

constexpr const char* kPipeline = R"(
pipeline: shop
sources:
  orders:
    from: log
    format: json
    schema: {id: varchar, amount: 'decimal(18,2)', tags: 'varchar[]', ts: timestamptz}
tables:
  checked:
    from: orders
    expect:
      has_id: {check: id IS NOT NULL, otherwise: reject}
      is_small: {check: amount < 1000000, otherwise: warn}
    sql: >
      SELECT id, amount, amount * 2 AS twice, ts, _received_at AS arrived FROM orders
      WHERE amount <> 13
  tagged:
    from: orders
    sql: SELECT id, CAST(tag AS INTEGER) AS tag FROM (SELECT id, unnest(tags) AS tag FROM orders)
  chained: {from: checked, sql: SELECT id FROM checked}
  once: {from: orders, unique: {key: id, within: 1h}, sql: SELECT id FROM orders}
  careful:
    from: orders
    expect: {is_fine: {check: amount > 0, otherwise: halt}}
    sql: SELECT id FROM orders
)";

class TransformTest : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Transform>> open(const std::string& table) {
    engine_ = sql::Instance::open({.threads = 1}).value();
    return Transform::open(*pipeline_.table(table), {.pipeline = pipeline_,
                                                     .lookups = {},
                                                     .registry = nullptr,
                                                     .engine = *engine_,
                                                     .clock = clock_,
                                                     .telemetry = {log_, metrics_}});
  }
  /// Of each record: its rows, `-` if it was filtered, `! reason` if it was rejected.
  std::string run(Transform& transform, const std::vector<std::string>& texts) {
    std::vector<base::Record> records;
    for (const auto& text : texts) records.push_back({base::Offset(0), clock_.now(), {}, text});
    const auto done = transform.run(records);
    if (!done) return done.error().text();
    EXPECT_EQ(done->size(), texts.size());
    std::string text;
    for (const auto& one : *done) {
      if (one.what == What::Rows) text += one.rows;
      if (one.what == What::Filtered) text += "-\n";
      if (one.what == What::Rejected) text += "! " + one.reason + "\n";
    }
    return text;
  }

  config::Pipeline pipeline_ =
      std::get<config::Pipeline>(config::parse_pipeline(kPipeline, "shop.yaml"));
  base::FixedClock clock_{base::parse_time("2026-11-20T12:00:00Z").value()};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::unique_ptr<sql::Instance> engine_;
};

TEST_F(TransformTest, GivesEachRecordItsEndInTheirOrder) {
  const auto transform = open("checked").value();
  const std::vector<std::string> records{
      R"({"id":"a","amount":0.10,"ts":"2026-11-20T11:00:00+01:00"})", "{",
      R"({"id":"b","amount":13})", R"({"amount":1})", R"({"id":"c","amount":4999999999999999.99})"};
  EXPECT_EQ(run(*transform, records),
            R"({"id":"a","amount":0.10,"twice":0.20,"ts":"2026-11-20T10:00:00.000000Z",)"
            R"("arrived":"2026-11-20T12:00:00.000000Z"})"
            "\n! malformed\n-\n! has_id\n"
            R"({"id":"c","amount":4999999999999999.99,"twice":9999999999999999.98,"ts":null,)"
            R"("arrived":"2026-11-20T12:00:00.000000Z"})"
            "\n");
  EXPECT_EQ(run(*transform, {R"({"id":"d","amount":13})"}), "-\n") << "nothing is remembered";
  EXPECT_EQ(run(*transform, {}), "");
}

TEST_F(TransformTest, MoreRecordsThanAChunkHolds) {
  const auto transform = open("checked").value();
  std::vector<std::string> records;
  std::string wanted;
  for (int i = 0; i < 5000; ++i) {
    records.push_back(i % 3 == 0 ? "{" : R"({"id":")" + std::to_string(i) + R"(","amount":13})");
    wanted += i % 3 == 0 ? "! malformed\n" : "-\n";
  }
  EXPECT_EQ(run(*transform, records), wanted);
}

TEST_F(TransformTest, ARecordOfSeveralRowsHasALineForEachAndIsRejectedAsAWhole) {
  const auto transform = open("tagged").value();
  EXPECT_EQ(run(*transform, {R"({"id":"a","tags":["1","2"]})", R"({"id":"b","tags":["3","x"]})",
                             R"({"id":"c","tags":[]})"}),
            "{\"id\":\"a\",\"tag\":1}\n{\"id\":\"a\",\"tag\":2}\n! sql_failed\n-\n");
}

TEST_F(TransformTest, RefusesWhatCannotRunAlone) {
  EXPECT_THAT(open("chained").error().text(),
              AllOf(HasSubstr("shop.yaml:"), HasSubstr("name a table that reads a source")));
  EXPECT_THAT(open("once").error().text(),
              AllOf(HasSubstr("shop.yaml:"), HasSubstr("take it out")));
  EXPECT_THAT(open("careful").error().text(), AllOf(HasSubstr("shop.yaml:"), HasSubstr("'is_fine'"),
                                                    HasSubstr("let it say `otherwise: reject`")));
}

}  // namespace
}  // namespace millrace::flow
