#include "verify/write_records.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;

Generator generator_of(const std::string& dataset) {
  return Generator::make({.dataset = dataset,
                          .start = base::parse_time("2026-11-20T12:00:00Z").value(),
                          .records_per_second = 1'000})
      .value();
}

Sink into(std::string& text) {
  return [&text](std::string_view bytes) -> Result<void> {
    text += bytes;
    return {};
  };
}

auto lines_of(const std::string& text) {
  return std::ranges::count(text, '\n');
}

TEST(WriteRecords, WritesRecordsAndLabelsLineByLine) {
  const base::SystemClock clock;
  std::string records, labels, labels_alone;
  const auto count =
      write_records(generator_of("orders"),
                    {.records = into(records), .labels = into(labels), .count = 5'000}, clock);
  EXPECT_EQ(count.value(), 5'000U);
  EXPECT_EQ(lines_of(records), 5'000);
  EXPECT_EQ(lines_of(labels), 5'000);
  ASSERT_TRUE(write_labels(generator_of("orders"), 5'000, into(labels_alone)));
  EXPECT_TRUE(labels_alone == labels);
}

TEST(WriteRecords, CsvBeginsWithItsHeader) {
  const base::SystemClock clock;
  std::string records;
  ASSERT_TRUE(
      write_records(generator_of("payments"), {.records = into(records), .count = 3}, clock));
  EXPECT_TRUE(records.starts_with("payment_id,account_id,"));
  EXPECT_EQ(lines_of(records), 4);
}

TEST(WriteRecords, StopsWithTheErrorOfItsSink) {
  const base::SystemClock clock;
  std::string labels;
  const Sink full = [](std::string_view) -> Result<void> {
    return Error{Code::Exhausted, "the disk is full"};
  };
  const auto count = write_records(
      generator_of("orders"), {.records = full, .labels = into(labels), .count = 100'000}, clock);
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error().code, Code::Exhausted);
  // The labels of what may have been written are there.
  EXPECT_GT(lines_of(labels), 0);
}

TEST(WriteRecords, WithoutACountItGoesOnUntilItIsStopped) {
  const base::SystemClock clock;
  std::stop_source stop;
  std::size_t pieces = 0;
  const Sink records = [&](std::string_view) -> Result<void> {
    if (++pieces == 3) stop.request_stop();
    return {};
  };
  const auto count =
      write_records(generator_of("orders"), {.records = records}, clock, stop.get_token());
  ASSERT_TRUE(count);
  EXPECT_GT(*count, 0U);
}

TEST(WriteRecords, LiveOnesDoNotComeBeforeTheyAreDue) {
  const base::SystemClock clock;
  auto options = generator_of("orders").options();
  options.start = clock.now();
  const Generator generator = Generator::make(options).value();
  base::Time last_at;
  std::string text;
  const Sink records = [&](std::string_view bytes) -> Result<void> {
    text += bytes;
    last_at = clock.now();
    return {};
  };
  ASSERT_TRUE(write_records(generator, {.records = records, .count = 50, .is_live = true}, clock));
  EXPECT_EQ(lines_of(text), 50);
  EXPECT_GE(last_at, generator.due(49));
}

}  // namespace
}  // namespace millrace::verify
