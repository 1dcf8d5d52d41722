#include "source/record_cutter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::source {
namespace {

using testing::ElementsAre;

// The records of `text`, each with its first byte, as they come when the text arrives in pieces of
// `piece` bytes. Ends with `!` and the message if the cutter refuses.
std::vector<std::string> cut(RecordCutter& cutter, std::string_view text, std::size_t piece) {
  std::vector<std::string> records;
  std::size_t at = 0;
  for (std::size_t size = std::min(piece, text.size());;) {
    const auto found = cutter.next(text.substr(0, size), at, size == text.size());
    if (!found) {
      records.push_back("!" + found.error().message);
      return records;
    }
    at = found->next;
    if (found->kind == Cut::Kind::Record) {
      records.push_back(std::to_string(found->begin) + ":" +
                        std::string(text.substr(found->begin, found->end - found->begin)));
    } else if (found->kind == Cut::Kind::More) {
      EXPECT_LT(size, text.size());
      size = std::min(size + piece, text.size());
    } else {
      EXPECT_EQ(at, text.size());
      return records;
    }
  }
}

template <class Make>
std::vector<std::string> cut_in_any_pieces(Make make, std::string_view text) {
  const auto whole = cut(*make(), text, text.size() + 1);
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(cut(*make(), text, piece), whole) << piece;
  }
  return whole;
}

TEST(LineCutter, OneRecordALineBlankOnesSkipped) {
  const auto lines = [](std::string_view text) {
    return cut_in_any_pieces(make_line_cutter, text);
  };
  EXPECT_THAT(lines("a\nbc\r\n\n  \t\r\nd"), ElementsAre("0:a", "2:bc", "12:d"));
  EXPECT_THAT(lines("a\n"), ElementsAre("0:a"));
  EXPECT_THAT(lines("\n \n"), ElementsAre());
  EXPECT_THAT(lines(""), ElementsAre());
}

TEST(CsvCutter, ARowMayHoldLineBreaksInQuotes) {
  const auto rows = [](std::string_view text) {
    return cut_in_any_pieces([] { return make_csv_cutter(',', 1000); }, text);
  };
  EXPECT_THAT(rows("1,\"a\nb\"\r\n\n2,\"c\"\"d\"\n3,e"),
              ElementsAre("0:1,\"a\nb\"", "10:2,\"c\"\"d\"", "19:3,e"));
}

TEST(CsvCutter, AQuoteThatNobodyClosesSpoilsItsLineOnly) {
  const std::string text = "1,\"open\n2,b\n" + std::string(40, 'x') + "\n";
  for (const std::size_t limit : {30U, 1000U}) {
    const auto records = cut(*make_csv_cutter(',', limit), text, text.size());
    EXPECT_THAT(records, ElementsAre("0:1,\"open", "8:2,b", "12:" + std::string(40, 'x')));
  }
}

TEST(ArrayCutter, ElementsOfOneArray) {
  const auto elements = [](std::string_view text) {
    return cut_in_any_pieces([] { return make_array_cutter(false); }, text);
  };
  EXPECT_THAT(elements(" [ {\"a\":[1,2]} ,\n{\"b\":\"},]\\\"\"}\n, 3 ]\n "),
              ElementsAre("3:{\"a\":[1,2]}", "17:{\"b\":\"},]\\\"\"}", "33:3"));
  EXPECT_THAT(elements("[]"), ElementsAre());
  EXPECT_THAT(elements("[1, {\"a\""), ElementsAre("1:1", "!the array is not closed"));
  EXPECT_THAT(elements("[1]\n2"), ElementsAre("1:1", "!there is more after the array"));
  EXPECT_THAT(elements("[1, }"), ElementsAre("1:1", "!not a JSON array of records"));
  EXPECT_THAT(cut(*make_array_cutter(true), ", [4], 5]", 100), ElementsAre("2:[4]", "7:5"));
  EXPECT_THAT(cut(*make_array_cutter(true), "", 100), ElementsAre());
}

}  // namespace
}  // namespace millrace::source
