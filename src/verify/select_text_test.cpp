#include "verify/select_text.hpp"

#include <gtest/gtest.h>

namespace millrace::verify {
namespace {

std::string whole(std::string_view text) {
  return whole_select(text, "orders").sql;
}

TEST(WholeSelect, AddsTheTableWhereNoFromIs) {
  EXPECT_EQ(whole("SELECT a, b"), "SELECT a, b FROM \"orders\"");
  EXPECT_EQ(whole("SELECT a ; \n"), "SELECT a FROM \"orders\" ; \n");
  EXPECT_EQ(whole("SELECT a WHERE b > 1 ORDER BY a"),
            "SELECT a FROM \"orders\" WHERE b > 1 ORDER BY a");
  EXPECT_EQ(whole("select count(*) group by all"), "select count(*) FROM \"orders\" group by all");
}

TEST(WholeSelect, LeavesAWholeOneAlone) {
  EXPECT_EQ(whole("SELECT a FROM other WHERE b"), "SELECT a FROM other WHERE b");
  EXPECT_EQ(whole("from orders"), "from orders");
}

TEST(WholeSelect, LooksPastQuotesCommentsAndParentheses) {
  EXPECT_EQ(whole("SELECT extract(year FROM ts)"), "SELECT extract(year FROM ts) FROM \"orders\"");
  EXPECT_EQ(whole("SELECT ' from it''s ' AS \"where\""),
            "SELECT ' from it''s ' AS \"where\" FROM \"orders\"");
  EXPECT_EQ(whole("SELECT a -- from here\n, b"), "SELECT a -- from here\n, b FROM \"orders\"");
  EXPECT_EQ(whole("SELECT /* order by */ a"), "SELECT /* order by */ a FROM \"orders\"");
  EXPECT_EQ(whole("SELECT from_a, whereabouts"), "SELECT from_a, whereabouts FROM \"orders\"");
}

TEST(WholeSelect, SaysWhetherItIsOrdered) {
  EXPECT_TRUE(whole_select("SELECT a ORDER BY a", "t").is_ordered);
  EXPECT_TRUE(whole_select("SELECT a FROM t order by a", "t").is_ordered);
  EXPECT_FALSE(whole_select("SELECT a, (SELECT b FROM t ORDER BY b LIMIT 1)", "t").is_ordered);
}

TEST(WholeSelect, FindsBytesOfTheFileAgain) {
  const auto select = whole_select("SELECT a WHERE b", "t");
  EXPECT_EQ(select.sql, "SELECT a FROM \"t\" WHERE b");
  EXPECT_EQ(select.byte_in_file(7), 7U);
  EXPECT_EQ(select.byte_in_file(12), 9U);
  EXPECT_EQ(select.byte_in_file(select.sql.find("b")), 15U);
  EXPECT_EQ(whole_select("SELECT a FROM t", "t").byte_in_file(9), 9U);
}

}  // namespace
}  // namespace millrace::verify
