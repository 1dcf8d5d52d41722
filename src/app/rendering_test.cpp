#include <gtest/gtest.h>

#include "app/chart.hpp"
#include "app/result_table.hpp"
#include "app/text_table.hpp"
#include "app/text_width.hpp"

namespace millrace::app {
namespace {

const Paint kPlain(false);

TEST(TextWidth, CountsCellsNotBytes) {
  EXPECT_EQ(text_width("abc"), 3);
  EXPECT_EQ(text_width("Köln"), 4);
  EXPECT_EQ(text_width("日本"), 4);
  EXPECT_EQ(text_width("e\xCC\x81"), 1) << "a combining accent takes no cell";
  EXPECT_EQ(text_width("🎉"), 2);
  EXPECT_EQ(text_width("\xFF\xC3"), 2) << "bytes that are not UTF-8 count one each";
}

TEST(TextWidth, CutsWithinTheWidthAndSaysSo) {
  EXPECT_EQ(fitted("Köln", 4), "Köln");
  EXPECT_EQ(fitted("Königsberg", 5), "Köni…");
  EXPECT_EQ(fitted("日本語", 4), "日…") << "a wide character is not cut in two";
  EXPECT_EQ(fitted("abc", 1), "…");
  EXPECT_EQ(fitted("abc", 0), "");
}

TEST(TextWidth, PadsByCells) {
  EXPECT_EQ(padded("日本", 6), "日本  ");
  EXPECT_EQ(padded("abc", 2), "abc");
}

TEST(TextTable, AlignsColumnsUnderARuledHead) {
  TextTable table({{"city", Align::Left}, {"total", Align::Right}});
  table.add({"Köln", "120.50"});
  table.add({"東京", "7.00"});
  EXPECT_EQ(table.text(kPlain),
            "city   total\n"
            "────  ──────\n"
            "Köln  120.50\n"
            "東京    7.00\n");
}

TEST(TextTable, ShowsNullApartFromEmpty) {
  TextTable table({{"a"}, {"b"}});
  table.add({std::nullopt, ""});
  EXPECT_EQ(table.text(kPlain), "a     b\n────  ─\nNULL\n");
}

TEST(TextTable, ShowsControlCharactersAsEscapes) {
  TextTable table({{"a"}});
  table.add({"\x1b[31mred\n"});
  EXPECT_EQ(table.text(kPlain).find('\x1b'), std::string::npos);
  EXPECT_EQ(table.text(kPlain), "a\n───────────────\n\\x1b[31mred\\x0a\n");
}

TEST(TextTable, CutsTheWidestTextColumnToFitAndNeverANumber) {
  TextTable table({{"name", Align::Left}, {"total", Align::Right}});
  table.add({"a very long name that does not fit", "123456789012345"});
  EXPECT_EQ(table.text(kPlain, 30),
            "name                     total\n"
            "─────────────  ───────────────\n"
            "a very long …  123456789012345\n");
}

TEST(TextTable, ColoursTheHeadOnlyWhenAsked) {
  TextTable table({{"a"}});
  EXPECT_EQ(table.text(Paint(true)), "\x1b[1ma\x1b[0m\n\x1b[2m─\x1b[0m\n");
}

TEST(BarChart, DrawsBarsInEighthsOfACell) {
  const std::vector<Mark> marks{{"c1", 8.0, "8"}, {"c22", 4.0, "4"}, {"c3", 0.4, "0.4"}};
  EXPECT_EQ(bar_chart(marks, kPlain, 19),
            "c1  ▕██████████ 8\n"
            "c22 ▕█████ 4\n"
            "c3  ▕▌ 0.4\n");
}

TEST(BarChart, PutsNegativeBarsLeftOfACommonAxis) {
  const std::vector<Mark> marks{{"a", 5.0, "5"}, {"b", -5.0, "-5"}};
  EXPECT_EQ(bar_chart(marks, kPlain, 16),
            "a ▕     █████ 5\n"
            "b ▕█████ -5\n");
}

TEST(BarChart, DrawsNothingForNullAndForZeros) {
  const std::vector<Mark> marks{{"a", std::nullopt, "NULL"}, {"b", 0.0, "0"}};
  EXPECT_EQ(bar_chart(marks, kPlain, 40), "a ▕ NULL\nb ▕ 0\n");
  EXPECT_EQ(bar_chart({}, kPlain, 40), "");
}

TEST(LineChart, RunsFromTheFirstLabelToTheLast) {
  const std::vector<Mark> marks{{"mon", 0.0, "0"}, {"tue", 5.0, "5"}, {"wed", 10.0, "10"}};
  const auto chart = line_chart(marks, kPlain, 24);
  EXPECT_TRUE(chart.starts_with("10 ▕")) << chart;
  EXPECT_NE(chart.find("\n 0 ▕"), std::string::npos) << chart;
  EXPECT_TRUE(chart.ends_with("mon              wed\n")) << chart;
}

TEST(LineChart, IsFlatForEqualValuesAndEmptyWithoutAny) {
  EXPECT_EQ(line_chart({{"a", std::nullopt, "NULL"}}, kPlain, 40), "");
  EXPECT_NE(line_chart({{"a", 1.0, "1"}, {"b", 1.0, "1"}}, kPlain, 40).find("a"),
            std::string::npos);
}

TEST(ResultTable, KeepsTheDigitsOfNumbers) {
  const auto table = parse_result_table(
      R"j({"columns":[{"name":"total","type":"DECIMAL(38,2)"},{"name":"n","type":"HUGEINT"}],)j"
      R"j("rows":[[123456789012345678901234.10,170141183460469231731687303715884105727]],)j"
      R"j("row_count":1,"is_truncated":false,"elapsed_ms":1.5})j");
  ASSERT_TRUE(table) << table.error().text();
  EXPECT_EQ(table->rows[0][0], "123456789012345678901234.10");
  EXPECT_EQ(table->rows[0][1], "170141183460469231731687303715884105727");
  EXPECT_EQ(table->elapsed_ms, 1.5);
}

TEST(ResultTable, ReadsNullsTextsAndNestedValues) {
  const auto table = parse_result_table(
      R"j({"rows":[[null,"a\"b",true,{"x":[1.50,null,{"y":"z"}],"w":2}],[1,"",false,[]]],)j"
      R"j("columns":[{"name":"a","type":"INTEGER"},{"name":"b","type":"VARCHAR"},)j"
      R"j({"name":"c","type":"BOOLEAN"},{"name":"d","type":"STRUCT"}],"is_truncated":true})j");
  ASSERT_TRUE(table) << table.error().text();
  EXPECT_EQ(table->rows[0][0], std::nullopt);
  EXPECT_EQ(table->rows[0][1], "a\"b");
  EXPECT_EQ(table->rows[0][2], "true");
  EXPECT_EQ(table->rows[0][3], R"j({"x":[1.50,null,{"y":"z"}],"w":2})j");
  EXPECT_EQ(table->rows[1][3], "[]");
  EXPECT_TRUE(table->is_truncated);
}

TEST(ResultTable, RefusesWhatIsNoResultTable) {
  EXPECT_FALSE(parse_result_table("{}"));
  EXPECT_FALSE(parse_result_table("<html>"));
  EXPECT_FALSE(
      parse_result_table(R"j({"columns":[{"name":"a","type":"INTEGER"}],"rows":[[1,2]]})j"));
}

TEST(ResultTable, PutsNumbersToTheRightAndCountsRows) {
  const auto table = parse_result_table(
      R"j({"columns":[{"name":"c","type":"VARCHAR"},{"name":"n","type":"BIGINT"}],)j"
      R"j("rows":[["a",1],["b",22]],"is_truncated":true})j");
  ASSERT_TRUE(table);
  EXPECT_EQ(text_of(*table, kPlain, 0),
            "c   n\n─  ──\na   1\nb  22\n2 rows, cut off here: there are more\n");
}

TEST(ResultTable, DrawsTheChartThatTheReportAsksFor) {
  const auto table = parse_result_table(
      R"j({"columns":[{"name":"c","type":"VARCHAR"},{"name":"n","type":"BIGINT"}],)j"
      R"j("rows":[["a",2],["b",1]],"chart":{"bar":"n","by":"c"}})j");
  ASSERT_TRUE(table);
  EXPECT_EQ(chart_text(*table, kPlain, 15), "a ▕██████████ 2\nb ▕█████ 1\n");
  auto without = *table;
  without.chart->value = "gone";
  EXPECT_EQ(chart_text(without, kPlain, 15), "");
}

}  // namespace
}  // namespace millrace::app
