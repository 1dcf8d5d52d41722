#include "verify/row_diff.hpp"

#include <gtest/gtest.h>

namespace millrace::verify {
namespace {

const std::vector<DiffColumn> kColumns{{"id", Comparison::Text}, {"amount", Comparison::Number}};

std::string diff(const std::vector<DiffRow>& expected, const std::vector<DiffRow>& found,
                 RowOrder order = RowOrder::IsFree) {
  return row_diff(kColumns, expected, found, order).value_or("same");
}

TEST(RowDiff, RowsAreTheSameInAnyOrderUnlessItCounts) {
  const std::vector<DiffRow> rows{{"a", "1"}, {"b", "2"}, {"b", "2"}};
  const std::vector<DiffRow> turned{{"b", "2.00"}, {"a", "1.0"}, {"b", "2"}};
  EXPECT_EQ(diff(rows, rows), "same");
  EXPECT_EQ(diff(rows, turned), "same");
  EXPECT_NE(diff(rows, turned, RowOrder::Counts), "same");
  EXPECT_EQ(diff({}, {}), "same");
}

TEST(RowDiff, ShowsWhatIsMissingAndTooMany) {
  EXPECT_EQ(diff({{"a", "1"}, {"bbbb", "2"}}, {{"a", "1"}, {"bbbb", "3"}, {"c", std::nullopt}}),
            "  id    amount\n"
            "  a     1\n"
            "- bbbb  2\n"
            "+ bbbb  3\n"
            "+ c     NULL\n");
}

TEST(RowDiff, CountsEqualRows) {
  EXPECT_EQ(diff({{"a", "1"}}, {{"a", "1"}, {"a", "1"}}),
            "  id  amount\n"
            "  a   1\n"
            "+ a   1\n");
}

TEST(RowDiff, InOrderItKeepsWhatBothHave) {
  EXPECT_EQ(diff({{"a", "1"}, {"b", "2"}, {"c", "3"}}, {{"b", "2"}, {"c", "3"}, {"a", "1"}},
                 RowOrder::Counts),
            "  id  amount\n"
            "- a   1\n"
            "  b   2\n"
            "  c   3\n"
            "+ a   1\n");
}

TEST(RowDiff, ARowOfAnotherWidthIsAnother) {
  EXPECT_EQ(diff({{"a"}}, {{"a", "1"}}),
            "  id  amount\n"
            "- a\n"
            "+ a   1\n");
}

TEST(RowDiff, MakesControlCharactersVisible) {
  EXPECT_EQ(diff({}, {{"\x1b[31m", "1"}}),
            "  id        amount\n"
            "+ \\x1b[31m  1\n");
}

TEST(RowDiff, ShowsOnlySoMany) {
  const std::vector<DiffRow> many(100, {"a", "1"});
  const std::string text = diff({}, many);
  EXPECT_TRUE(text.ends_with("... and 40 more\n")) << text;
}

TEST(RowDiff, OfManyRowsItShowsThoseThatDiffer) {
  std::vector<DiffRow> many(100, {"a", "1"});
  const auto expected = many;
  many[50] = {"b", "2"};
  EXPECT_EQ(diff(expected, many),
            "  id  amount\n"
            "- a   1\n"
            "+ b   2\n"
            "  99 rows are the same\n");
}

TEST(IsSame, ComparesNumbersByValue) {
  const auto same = [](const char* a, const char* b) { return is_same(a, b, Comparison::Number); };
  EXPECT_TRUE(same("5", "5.00"));
  EXPECT_TRUE(same("-0.50", "-0.5"));
  EXPECT_TRUE(same("0", "-0.0"));
  EXPECT_TRUE(same("1e3", "1000.0"));
  EXPECT_TRUE(same("00012.3", "12.30"));
  EXPECT_FALSE(same("5", "5.01"));
  EXPECT_FALSE(same("12345678901234567890.01", "12345678901234567890.02"));
  EXPECT_FALSE(same("5", "five"));
  EXPECT_FALSE(is_same("5", std::nullopt, Comparison::Number));
  EXPECT_FALSE(is_same("5", "5.0", Comparison::Text));
}

TEST(IsSame, ComparesMomentsByValue) {
  EXPECT_TRUE(is_same("2026-11-20T12:00:00Z", "2026-11-20 13:00:00+01", Comparison::Time));
  EXPECT_FALSE(is_same("2026-11-20T12:00:00Z", "2026-11-20 12:00:00+01", Comparison::Time));
  EXPECT_FALSE(is_same("noon", "2026-11-20 12:00:00+01", Comparison::Time));
}

}  // namespace
}  // namespace millrace::verify
