#include "kinesis/sequence_number.hpp"

#include <gtest/gtest.h>

namespace millrace::kinesis {
namespace {

using base::Offset;
using base::ShardId;

const base::Time kCreated = *base::parse_time("2026-11-21T12:00:00Z");

TEST(SequenceNumber, HasTheLayoutThatTheKclTakesApart) {
  const auto number = SequenceNumber::of(ShardId(1), kCreated, Offset(4095));
  // int("2" "06b0187c0" "1" "0000000000001000" "00" "06b0187c0" "00000001" "2", 16)
  EXPECT_EQ(number.text(), "49680428337281185220258738749253246703916018358491807762");
  EXPECT_EQ(SequenceNumber::parse(number.text()), number);
  EXPECT_EQ(number.offset(), Offset(4095));
  EXPECT_EQ(number.offset_after(), Offset(4096));
}

TEST(SequenceNumber, GrowsWithTheOffsetAndComesBackAtEveryLimit) {
  std::string last;
  for (const std::int64_t offset :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 32, INT64_MAX - 1}) {
    const auto number = SequenceNumber::of(ShardId(4095), kCreated, Offset(offset));
    const auto text = number.text();
    EXPECT_EQ(SequenceNumber::parse(text), number);
    EXPECT_EQ(text.size(), 56U);
    EXPECT_LT(last, text);
    last = text;
  }
}

TEST(SequenceNumber, ZeroIsBeforeTheFirstRecord) {
  const SequenceNumber start{ShardId(0), kCreated, 0};
  EXPECT_EQ(start.offset(), Offset(0));
  EXPECT_EQ(start.offset_after(), Offset(0));
}

TEST(SequenceNumber, RefusesWhatIsNoneOfOurs) {
  const auto good = SequenceNumber::of(ShardId(1), kCreated, Offset(1)).text();
  auto other_end = good;
  other_end.back() = other_end.back() == '0' ? '1' : '0';
  for (const std::string& bad :
       {std::string(), std::string("0"), std::string("12345"), std::string("x"), other_end,
        std::string(57, '9'), std::string(200, '1')}) {
    EXPECT_FALSE(SequenceNumber::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace millrace::kinesis
