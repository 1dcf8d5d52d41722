#include "config/column_type.hpp"

#include <gtest/gtest.h>

#include "config/plain_value.hpp"

namespace millrace::config {
namespace {

std::string shown(std::string_view text) {
  const auto type = parse_column_type(text);
  return type ? sql_of(*type) : type.error().message;
}

TEST(ColumnType, IsReadAndSaidInSql) {
  EXPECT_EQ(shown("varchar"), "VARCHAR");
  EXPECT_EQ(shown(" BigInt "), "BIGINT");
  EXPECT_EQ(shown("int"), "INTEGER");
  EXPECT_EQ(shown("timestamptz"), "TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(shown("decimal(12,2)"), "DECIMAL(12,2)");
  EXPECT_EQ(shown("decimal( 38 )"), "DECIMAL(38,0)");
  EXPECT_EQ(shown("varchar[]"), "VARCHAR[]");
  EXPECT_EQ(shown("list(struct(sku varchar, n int)[])"),
            "STRUCT(\"sku\" VARCHAR, \"n\" INTEGER)[][]");
  EXPECT_EQ(shown("json"), "JSON");
}

TEST(ColumnType, RefusesWhatIsNone) {
  EXPECT_EQ(shown("varchr"),
            "'varchr' is not a type: there is no type 'varchr'; did you mean "
            "'varchar'?");
  EXPECT_EQ(shown("decimal(0,5)"),
            "'decimal(0,5)' is not a type: the precision is within 1 to 38 and the scale within 0 "
            "to the precision");
  EXPECT_EQ(shown("decimal"), "'decimal' is not a type: decimal(PRECISION,SCALE) is expected");
  EXPECT_EQ(shown("struct(a int, A int)"),
            "'struct(a int, A int)' is not a type: there are two fields 'A'");
  for (const char* text :
       {"", "decimal(39,0)", "decimal(2,3)", "decimal(2,-1)", "decimal(a)", "decimal(2", "varchar[",
        "varchar]", "varchar x", "list", "list()", "struct()", "struct(a)", "struct(a int,)",
        "struct(a int", "timestamp with time zone", "decimal(99999999999,1)", "text"}) {
    EXPECT_FALSE(parse_column_type(text)) << text;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "list(";
  EXPECT_FALSE(parse_column_type(deep));
}

TEST(PlainValue, HasTheTypeThatItLooksLike) {
  const auto type = [](std::string_view text) { return sql_of(type_of_plain_value(text)); };
  EXPECT_EQ(type("20"), "BIGINT");
  EXPECT_EQ(type("-1.5"), "DOUBLE");
  EXPECT_EQ(type("true"), "BOOLEAN");
  EXPECT_EQ(type("2026-11-20"), "DATE");
  EXPECT_EQ(type("2026-11-20T12:00:00Z"), "TIMESTAMP WITH TIME ZONE");
  for (const char* text : {"", "-", "1.2.3", "2026-13-01", "nan", "inf", "1 2", "True"}) {
    EXPECT_EQ(type(text), "VARCHAR") << text;
  }
}

TEST(PlainValue, IsCheckedAgainstItsType) {
  const auto fits = [](std::string_view type, std::string_view text) {
    return check_plain_value(parse_column_type(type).value(), text).has_value();
  };
  EXPECT_TRUE(fits("tinyint", "-128"));
  EXPECT_FALSE(fits("tinyint", "128"));
  EXPECT_TRUE(fits("decimal(4,2)", "-99.99"));
  EXPECT_TRUE(fits("decimal(4,2)", "007.5"));
  EXPECT_FALSE(fits("decimal(4,2)", "100"));
  EXPECT_FALSE(fits("decimal(4,2)", "1.234"));
  EXPECT_FALSE(fits("decimal(4,2)", "1."));
  EXPECT_FALSE(fits("decimal(4,2)", "."));
  EXPECT_FALSE(fits("double", "1e400"));
  EXPECT_FALSE(fits("boolean", "yes"));
  EXPECT_FALSE(fits("date", "2026-02-30"));
  EXPECT_TRUE(fits("timestamp", "2026-11-20T12:00:00"));
  EXPECT_TRUE(fits("varchar", ""));
  EXPECT_EQ(check_plain_value(parse_column_type("int[]").value(), "1").error().message,
            "a parameter is a plain value, not INTEGER[]");
}

}  // namespace
}  // namespace millrace::config
