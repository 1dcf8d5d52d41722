#include "verify/pipeline_tests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/read.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "verify/append.hpp"
#include "verify/truth.hpp"

namespace millrace::verify {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class PipelineTests : public testing::Test {
 protected:
  base::Result<std::vector<TestOutcome>> run(const config::Pipeline& pipeline,
                                             const std::string& name_contains = "") {
    return run_pipeline_tests(
        pipeline,
        {.scratch = folder_.path(),
         .open_origin =
             [this](const auto& lookup) { return lookup::make_file_origin(lookup, disk_); },
         .name_contains = name_contains},
        disk_, {log_, metrics_});
  }

  config::Pipeline parsed(const std::string& tests) {
    auto read = config::parse_pipeline(std::string(kPipeline) + tests, folder_.path() / "p.yaml");
    if (auto* problems = std::get_if<config::Problems>(&read)) {
      for (const auto& error : problems->errors) ADD_FAILURE() << error.text();
      return {};
    }
    return std::get<config::Pipeline>(std::move(read));
  }

  static constexpr std::string_view kPipeline = R"yaml(pipeline: p
sources:
  readings:
    from: log
    format: json
    schema: {id: varchar, celsius: "decimal(6,2)", ts: timestamptz}
    event_time: {column: ts}
tables:
  checked:
    from: readings
    unique: {key: id, within: 1h}
    expect:
      has_id: {check: id IS NOT NULL, otherwise: reject}
    sql: SELECT id, celsius, ts, celsius > 30 AS is_hot FROM readings
tests:
)yaml";

  os::TestFolder folder_;
  os::RealDisk disk_;
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
};

TEST_F(PipelineTests, OfTheExamplesPass) {
  for (const std::string name : {"orders", "sensors", "payments"}) {
    const auto pipeline = std::get<config::Pipeline>(
        config::read_pipeline(std::string(MILLRACE_EXAMPLES) + "/" + name + "/" + name + ".yaml"));
    const auto outcomes = run(pipeline);
    ASSERT_TRUE(outcomes) << name << ": " << outcomes.error().text();
    EXPECT_EQ(outcomes->size(), pipeline.tests.size());
    for (const auto& outcome : *outcomes) {
      EXPECT_TRUE(outcome.has_passed()) << render_outcome(outcome, false);
    }
  }
}

/// A test of an example whose records are the generator's and whose rows are its labels.
config::PipelineTest labelled_test(Generator generator, const config::Pipeline& pipeline,
                                   const std::string& columns) {
  constexpr std::uint64_t kCount = 300;
  config::PipelineTest test{.name = "labels"};
  test.given.push_back({.source = pipeline.sources[0].name});
  config::PipelineTest::Expected rows{.table = pipeline.tables[0].name};
  rows.sql.text = "SELECT " + columns;
  Label label;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    generator.write(i, label, test.given[0].records.emplace_back());
    if (!label.is_row()) continue;
    std::string cents;
    append_cents(cents, label.cents);
    rows.rows.push_back({label.key, label.owner, cents, label.flag ? "true" : "false",
                         config::format_day(label.day)});
  }
  const auto rejected = Truth(generator, kCount, {}).rejects();
  config::PipelineTest::Expected rejects{.table = "_rejects"};
  rejects.sql.text = "SELECT stage, count(*) GROUP BY ALL";
  rejects.rows = {{"decode", std::to_string(rejected.decode)},
                  {"expect", std::to_string(rejected.expect)},
                  {"unique", std::to_string(rejected.unique)}};
  test.expect = {rows, rejects};
  test.now = base::format_time(generator.due(kCount));
  return test;
}

TEST_F(PipelineTests, TheExamplesSayWhatTheLabelsSay) {
  const std::map<std::string, std::string> columns{
      {"orders", "order_id, customer_id, amount, is_fraud, day"},
      {"sensors", "reading_id, device_id, celsius, is_too_hot, day"},
      {"payments", "payment_id, account_id, amount, needs_review, day"}};
  for (const auto& [name, of_table] : columns) {
    auto pipeline = std::get<config::Pipeline>(
        config::read_pipeline(std::string(MILLRACE_EXAMPLES) + "/" + name + "/" + name + ".yaml"));
    const auto generator =
        Generator::make({.dataset = name,
                         .seed = 5,
                         .start = base::parse_time("2026-11-20T12:00:00Z").value(),
                         .shares = {.invalid = 0.3, .late = 0.1, .duplicate = 0.1},
                         .timezone = pipeline.timezone})
            .value();
    pipeline.tests = {labelled_test(generator, pipeline, of_table)};
    const auto outcomes = run(pipeline);
    ASSERT_TRUE(outcomes) << name << ": " << outcomes.error().text();
    EXPECT_TRUE(outcomes->front().has_passed()) << render_outcome(outcomes->front(), false);
  }
}

TEST_F(PipelineTests, ShowWhatIsMissingAndWhatIsTooMany) {
  const auto outcomes = run(parsed(R"(
  - name: hot ones
    given:
      readings:
        - '{"id":"a","celsius":30,"ts":"2026-11-20T12:00:00Z"}'
        - '{"id":"b","celsius":30.01,"ts":"2026-11-20T12:00:00Z"}'
    expect: {checked: "SELECT id, is_hot", rows: [[a, true], [b, true]]}
)"));
  ASSERT_TRUE(outcomes) << outcomes.error().text();
  ASSERT_THAT(*outcomes, SizeIs(1));
  const auto& outcome = outcomes->front();
  EXPECT_FALSE(outcome.has_passed());
  EXPECT_EQ(outcome.place.line, 17);
  EXPECT_EQ(render_outcome(outcome, false), "FAIL  hot ones\n      " + folder_.path().string() +
                                                "/p.yaml:22:24: checked (- expected, + found)\n"
                                                "        id  is_hot\n"
                                                "      - a   true\n"
                                                "        b   true\n"
                                                "      + a   false\n");
}

TEST_F(PipelineTests, PositionsAndRejectsAreTheSameHoweverTheRecordsAreCut) {
  const auto outcomes = run(parsed(R"(
  - name: positions
    given: {readings: ['{"id":"a"}', '{"id":"b"}', 'bad', '{"id":"a"}']}
    expect:
      - checked: SELECT id, _offset ORDER BY _offset
        rows: [[a, 0], [b, 1]]
      - _rejects: SELECT reason, _offset ORDER BY _offset
        rows: [[malformed, 2], [duplicate, 3]]
)"));
  ASSERT_TRUE(outcomes) << outcomes.error().text();
  EXPECT_TRUE(outcomes->front().has_passed()) << render_outcome(outcomes->front(), false);
}

TEST_F(PipelineTests, NameThePlaceOfWrongSql) {
  const auto outcomes = run(parsed(R"(
  - name: wrong
    given: {readings: ['{"id":"a"}']}
    expect:
      checked: SELECT id, celsus WHERE id = 'a'
      rows: [[a, 0]]
)"));
  ASSERT_TRUE(outcomes) << outcomes.error().text();
  ASSERT_THAT(outcomes->front().failures, SizeIs(1));
  EXPECT_THAT(outcomes->front().failures[0], HasSubstr("p.yaml:20:27: "));
  EXPECT_THAT(outcomes->front().failures[0], HasSubstr("celsus"));
}

TEST_F(PipelineTests, TheClockStandsWhereTheTestSays) {
  const std::string late = R"(
    given: {readings: ['{"id":"a","ts":"2026-11-20T12:00:00Z"}']}
    expect:
      - checked: SELECT id, _received_at
        rows: )";
  const auto outcomes = run(parsed("\n  - name: before\n    now: 2026-11-20T11:00:00Z" + late +
                                   "[]\n  - name: after\n    now: 2026-11-20T13:00:00Z" + late +
                                   "[[a, 2026-11-20T13:00:00Z]]\n  - name: the day after" + late +
                                   "[[a, 2026-11-21T12:00:00Z]]\n"));
  ASSERT_TRUE(outcomes) << outcomes.error().text();
  for (const auto& outcome : *outcomes) {
    EXPECT_TRUE(outcome.has_passed()) << render_outcome(outcome, false);
  }
}

TEST_F(PipelineTests, OnlyThoseNamedAreRun) {
  const auto pipeline = parsed(R"(
  - name: one thing
    given: {readings: []}
    expect: {checked: SELECT id, rows: []}
  - name: another
    given: {readings: []}
    expect: {checked: SELECT id, rows: []}
)");
  const auto outcomes = run(pipeline, "other");
  ASSERT_TRUE(outcomes) << outcomes.error().text();
  ASSERT_THAT(*outcomes, SizeIs(1));
  EXPECT_EQ(outcomes->front().name, "another");
}

TEST_F(PipelineTests, ATableWhoseSqlIsWrongIsAnError) {
  auto pipeline = parsed(R"(
  - name: one
    given: {readings: []}
    expect: {checked: SELECT id, rows: []}
)");
  pipeline.tables[0].sql.text = "SELECT nothing FROM readings";
  const auto outcomes = run(pipeline);
  ASSERT_FALSE(outcomes);
  EXPECT_THAT(outcomes.error().text(), HasSubstr("nothing"));
}

TEST_F(PipelineTests, AHaltedTableSaysWhy) {
  auto pipeline = parsed(R"(
  - name: one
    given: {readings: ['{"celsius":1}', '{"id":"a"}']}
    expect: {checked: SELECT id, rows: [[a]]}
)");
  pipeline.tables[0].expectations[0].otherwise = config::Otherwise::Halt;
  const auto outcomes = run(pipeline);
  ASSERT_TRUE(outcomes) << outcomes.error().text();
  EXPECT_THAT(render_outcome(outcomes->front(), false),
              HasSubstr("stopped: checked: expectation 'has_id' does not hold at shard 0"));
}

}  // namespace
}  // namespace millrace::verify
