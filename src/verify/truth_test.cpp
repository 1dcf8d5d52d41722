#include "verify/truth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::verify {
namespace {

constexpr std::uint64_t kCount = 3'000;

Generator generator_of(const std::string& dataset = "orders") {
  return Generator::make({.dataset = dataset,
                          .seed = 11,
                          .start = base::parse_time("2026-11-20T12:00:00Z").value(),
                          .shares = {.invalid = 0.1, .late = 0.1, .duplicate = 0.1}})
      .value();
}

SeenRow row_of(const Label& label) {
  return {label.key, label.owner, label.cents, label.flag, label.day};
}

// What a pipeline without a fault shows.
std::vector<SeenRow> right_rows(std::uint64_t count = kCount) {
  Generator generator = generator_of();
  std::vector<SeenRow> rows;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Label label = generator.label(i);
    if (label.is_row()) rows.push_back(row_of(label));
  }
  return rows;
}

Truth truth_of(std::span<const BodyRange> failed = {}) {
  return Truth(generator_of(), kCount, failed);
}

TEST(Truth, FindsNothingAmissWhereNothingIs) {
  const auto rows = right_rows();
  const RowFindings found = truth_of().compare(rows);
  EXPECT_EQ(found.expected, rows.size());
  EXPECT_EQ(found.seen, rows.size());
  EXPECT_EQ(found.lost + found.doubled + found.unexpected + found.wrong, 0U);
  EXPECT_EQ(found.precision(), 1);
  EXPECT_EQ(found.recall(), 1);
  EXPECT_GT(found.flagged_right, 100U);
  EXPECT_GT(found.not_flagged_right, 100U);
  EXPECT_THAT(found.examples, testing::IsEmpty());
}

TEST(Truth, FindsWhatIsLostDoubledAndWrong) {
  auto rows = right_rows();
  const std::string lost = rows[7].key;
  rows.erase(rows.begin() + 7);
  rows.push_back(rows[3]);
  rows.push_back(rows[3]);
  rows[20].cents += 1;
  rows[21].day += std::chrono::days(1);
  rows[22].owner = "customer-x";
  const RowFindings found = truth_of().compare(rows);
  EXPECT_EQ(found.lost, 1U);
  EXPECT_EQ(found.doubled, 2U);
  EXPECT_EQ(found.wrong, 3U);
  EXPECT_EQ(found.unexpected, 0U);
  EXPECT_THAT(found.examples, testing::SizeIs(5));
}

TEST(Truth, NamesALostRow) {
  auto rows = right_rows();
  const std::string lost = rows[7].key;
  rows.erase(rows.begin() + 7);
  EXPECT_THAT(truth_of().compare(rows).examples, testing::ElementsAre("'" + lost + "' is lost"));
}

TEST(Truth, FindsRowsOfRecordsThatBelongIntoTheRejects) {
  Generator generator = generator_of();
  auto rows = right_rows();
  std::uint64_t index = 0;
  while (generator.label(index).kind != Kind::Invalid || generator.label(index).key.empty()) {
    ++index;
  }
  rows.push_back(row_of(generator.label(index)));
  const RowFindings found = truth_of().compare(rows);
  EXPECT_EQ(found.unexpected, 1U);
  EXPECT_EQ(found.lost, 0U);
}

TEST(Truth, PrecisionAndRecallCountWrongFlagsApart) {
  auto rows = right_rows();
  int taken = 0, given = 0;
  for (auto& row : rows) {
    if (row.flag && taken < 30) {
      row.flag = false;
      ++taken;
    } else if (!row.flag && given < 10) {
      row.flag = true;
      ++given;
    }
  }
  const RowFindings found = truth_of().compare(rows);
  EXPECT_EQ(found.not_flagged_wrongly, 30U);
  EXPECT_EQ(found.flagged_wrongly, 10U);
  const auto right = static_cast<double>(found.flagged_right);
  EXPECT_DOUBLE_EQ(found.precision(), right / (right + 10));
  EXPECT_DOUBLE_EQ(found.recall(), right / (right + 30));
}

TEST(Truth, PrecisionAndRecallOfNothingAreWhole) {
  const RowFindings nothing;
  EXPECT_EQ(nothing.precision(), 1);
  EXPECT_EQ(nothing.recall(), 1);
}

TEST(Truth, CountsRejectsByTheStageThatFindsThem) {
  Generator generator = generator_of();
  ExpectedRejects expected;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const Label label = generator.label(i);
    if (label.kind == Kind::Duplicate) ++expected.unique;
    if (label.kind != Kind::Invalid) continue;
    const std::string flaw(name_of(label.flaw));
    const bool is_decode = flaw == "text_amount" || flaw == "huge_amount" || flaw == "broken" ||
                           flaw == "invalid_utf8";
    ++(is_decode ? expected.decode : expected.expect);
  }
  const Truth truth = truth_of();
  EXPECT_EQ(truth.rejects().decode, expected.decode);
  EXPECT_EQ(truth.rejects().expect, expected.expect);
  EXPECT_EQ(truth.rejects().unique, expected.unique);
  // Every record ends in one place.
  EXPECT_EQ(truth.row_count() + truth.rejects().count(), kCount);
}

TEST(Truth, ARowOfCsvThatLacksItsIdDoesNotDecode) {
  Generator generator = generator_of("payments");
  std::uint64_t missing = 0, broken = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const Flaw flaw = generator.label(i).flaw;
    missing += flaw == Flaw::NoId ? 1U : 0U;
    broken +=
        flaw == Flaw::TextAmount || flaw == Flaw::Broken || flaw == Flaw::InvalidUtf8 ? 1U : 0U;
  }
  EXPECT_GT(missing, 0U);
  EXPECT_EQ(Truth(generator, kCount, {}).rejects().decode, missing + broken);
}

TEST(Truth, TotalsAreTheSumsOfTheLabels) {
  Generator generator = generator_of();
  std::int64_t cents = 0, sum = 0;
  std::uint64_t rows = 0, count = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const Label label = generator.label(i);
    cents += label.is_row() ? label.cents : 0;
    rows += label.is_row() ? 1U : 0U;
  }
  const Truth truth = truth_of();
  for (const auto& [group, total] : truth.totals()) {
    sum += total.cents;
    count += total.rows;
  }
  EXPECT_EQ(sum, cents);
  EXPECT_EQ(count, rows);
  EXPECT_GT(truth.totals().size(), 500U);
}

TEST(Truth, WhatWasNotDeliveredIsNeitherMissedNorHeldAgainstAnyone) {
  const std::vector<BodyRange> failed{{2'000, 500}, {0, 1'000}};
  const Truth truth(generator_of(), kCount, failed);
  // Nothing of the failed ones came: nothing is lost.
  Generator generator = generator_of();
  std::vector<SeenRow> rows;
  std::set<std::string> keys;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const Label label = generator.label(i);
    const bool is_failed = i < 1'000 || (i >= 2'000 && i < 2'500);
    if (is_failed || label.kind == Kind::Invalid) continue;
    // A duplicate whose original failed is the one that counts.
    if (keys.insert(label.key).second) rows.push_back(row_of(label));
  }
  const RowFindings found = truth.compare(rows);
  EXPECT_EQ(found.lost, 0U);
  EXPECT_EQ(found.expected, rows.size());
  EXPECT_EQ(found.unexpected + found.doubled, 0U);
  // All of them came after all: that is fine too.
  const RowFindings all = truth.compare(right_rows());
  EXPECT_EQ(all.lost + all.unexpected + all.doubled + all.wrong, 0U);
}

TEST(Totals, DifferByACentARowOrAGroup) {
  const auto day = config::parse_day("2026-11-20").value();
  const Totals must{{{"a", day}, {2, 1'000}}, {{"b", day}, {1, 500}}, {{"c", day}, {1, 1}}};
  EXPECT_EQ(compare(must, must).wrong, 0U);
  Totals is = must;
  is[{"a", day}].cents += 1;
  is[{"b", day}].rows += 1;
  is.erase({"c", day});
  is[{"d", day}] = {1, 7};
  const TotalFindings found = compare(must, is);
  EXPECT_EQ(found.groups, 4U);
  EXPECT_EQ(found.wrong, 4U);
  EXPECT_EQ(found.expected, (Total{4, 1'501}));
  EXPECT_EQ(found.seen, (Total{5, 1'508}));
  EXPECT_EQ(found.examples.front(), "a on 2026-11-20: 2 rows, 10.01 instead of 2 rows, 10.00");
}

TEST(Totals, AddUp) {
  const auto day = config::parse_day("2026-11-20").value();
  Totals totals{{{"a", day}, {2, 1'000}}};
  add(totals, {{{"a", day}, {1, -1}}, {{"b", day}, {1, 5}}});
  EXPECT_EQ(totals, (Totals{{{"a", day}, {3, 999}}, {{"b", day}, {1, 5}}}));
}

}  // namespace
}  // namespace millrace::verify
