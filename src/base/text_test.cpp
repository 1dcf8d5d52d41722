#include "base/text.hpp"

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

const std::vector<std::string> kKeys{"partition_key", "shards", "schema", "format"};

TEST(NearestWord, FindsTypingErrors) {
  EXPECT_EQ(nearest_word("shrads", kKeys), "shards");
  EXPECT_EQ(nearest_word("partition_keys", kKeys), "partition_key");
  EXPECT_EQ(nearest_word("scheme", kKeys), "schema");
  EXPECT_EQ(nearest_word("Format", kKeys), "format");
}

TEST(NearestWord, IsEmptyWhereNothingIsNear) {
  EXPECT_EQ(nearest_word("warehouse", kKeys), "");
  EXPECT_EQ(nearest_word("", kKeys), "");
  EXPECT_EQ(nearest_word("xy", {}), "");
  EXPECT_EQ(nearest_word("x", std::vector<std::string>{"y", "xy"}), "");
}

TEST(NearestWord, DoesNotWorkHardOnALongWord) {
  EXPECT_EQ(nearest_word(std::string(50'000'000, 'x'), kKeys), "");
}

TEST(DidYouMean, IsAHalfSentence) {
  EXPECT_EQ(did_you_mean("shard", kKeys), "; did you mean 'shards'?");
  EXPECT_EQ(did_you_mean("warehouse", kKeys), "");
}

TEST(Printable, KeepsTextAndShowsTheRestAsBytes) {
  EXPECT_EQ(printable("Grüße, 世界 🙂"), "Grüße, 世界 🙂");
  EXPECT_EQ(printable("a\nb\x1b[0m\x7f"), "a\\x0ab\\x1b[0m\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xff\xc2"), "\\xff\\xc2");
  EXPECT_EQ(printable("\xc2\x9b[31m"), "\\xc2\\x9b[31m") << "U+009B starts terminal commands";
}

TEST(Printable, CutsAtALimitAndNotWithinACharacter) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("äöü", 3), "äö...");
}

TEST(Sql, QuotesStringsAndNames) {
  EXPECT_EQ(sql_string("O'Brien"), "'O''Brien'");
  EXPECT_EQ(sql_string(""), "''");
  EXPECT_EQ(sql_name("a\"b"), "\"a\"\"b\"");
}

TEST(Join, PutsTheSeparatorBetween) {
  EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Trimmed, TakesBlanksOffBothEnds) {
  EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
}

TEST(EqualIgnoringCase, ComparesWholeWords) {
  EXPECT_TRUE(equal_ignoring_case("Content-Type", "content-type"));
  EXPECT_FALSE(equal_ignoring_case("content", "content-type"));
}

TEST(IsUtf8, AcceptsWellFormedText) {
  for (const auto* text : {"", "plain", "ü", "世", "🙂", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
  EXPECT_EQ(first_invalid_utf8("\u00fc\xff"), 2U);
  EXPECT_EQ(first_invalid_utf8("\u00fc"), std::string_view::npos);
}

TEST(IsUtf8, RefusesWhatRfc3629Refuses) {
  for (const auto* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf",
                           "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "\xff", "\xe4\xb8", "ok\xf0\x9f\x99"}) {
    EXPECT_FALSE(is_utf8(text)) << printable(text);
  }
}

}  // namespace
}  // namespace millrace::base
