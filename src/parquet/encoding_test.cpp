#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/random.hpp"
#include "parquet/dictionary.hpp"
#include "parquet/rle.hpp"
#include "parquet/thrift.hpp"

namespace millrace::parquet {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", static_cast<std::uint8_t>(byte));
  }
  return text;
}

std::string rle(const std::vector<std::uint32_t>& values, int width) {
  std::string out;
  append_rle(std::span(values), width, out);
  return out;
}

// Reads the hybrid back, as Encodings.md says it.
std::vector<std::uint32_t> unpacked(std::string_view bytes, int width, std::size_t count) {
  std::vector<std::uint32_t> values;
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::uint64_t header = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes[at++]);
      header |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) break;
    }
    if ((header & 1) == 0) {
      std::uint32_t value = 0;
      for (int bits = 0; bits < width; bits += 8) {
        value |= std::uint32_t{static_cast<std::uint8_t>(bytes[at++])} << bits;
      }
      values.insert(values.end(), header >> 1, value);
      continue;
    }
    for (std::size_t i = 0; i < (header >> 1) * 8; ++i) {
      std::uint32_t value = 0;
      for (int bit = 0; bit < width; ++bit) {
        const auto place = i * static_cast<std::size_t>(width) + static_cast<std::size_t>(bit);
        const auto byte = static_cast<std::uint8_t>(bytes[at + place / 8]);
        value |= std::uint32_t{byte >> place % 8 & 1U} << bit;
      }
      values.push_back(value);
    }
    at += (header >> 1) * static_cast<std::size_t>(width);
  }
  EXPECT_GE(values.size(), count);
  values.resize(count);
  return values;
}

TEST(Rle, PacksEightAndCountsRuns) {
  EXPECT_EQ(hex(rle({0, 1, 2, 3, 4, 5, 6, 7}, 3)), "03 88 c6 fa");
  EXPECT_EQ(hex(rle(std::vector<std::uint32_t>(8, 1), 1)), "10 01");
  EXPECT_EQ(hex(rle({}, 1)), "");
  EXPECT_EQ(hex(rle({1}, 1)), "03 01");
  std::string run;
  append_run(300, 1000, 9, run);
  EXPECT_EQ(hex(run), "d0 0f 2c 01");
}

TEST(Rle, IsReadBackWhateverTheRuns) {
  base::Random random{11};
  for (int round = 0; round < 2000; ++round) {
    const int width = static_cast<int>(1 + random.below(32));
    std::vector<std::uint32_t> values;
    const auto runs = random.below(20);
    for (std::uint64_t i = 0; i < runs; ++i) {
      const auto value = static_cast<std::uint32_t>(random.below(std::uint64_t{1} << width));
      values.insert(values.end(), 1 + random.below(round % 2 == 0 ? 3 : 30), value);
    }
    ASSERT_EQ(unpacked(rle(values, width), width, values.size()), values)
        << "round " << round << ", width " << width;
  }
}

TEST(Rle, CountsBits) {
  EXPECT_EQ(bit_width(0), 0);
  EXPECT_EQ(bit_width(1), 1);
  EXPECT_EQ(bit_width(255), 8);
  EXPECT_EQ(bit_width(256), 9);
}

TEST(Thrift, WritesTheCompactProtocol) {
  ThriftWriter small;
  small.i32(1, 3);
  small.end();
  EXPECT_EQ(hex(small.bytes()), "15 06 00");

  ThriftWriter nested;
  nested.binary(4, "ab");
  nested.begin(5);
  nested.i64(1, -1);
  nested.boolean(2, true);
  nested.boolean(3, false);
  nested.end();
  nested.i16(7, 300);  // the ids go on where they were
  nested.list(8, ThriftWriter::Type::I32, 2);
  nested.element(1), nested.element(-2);
  nested.list(9, ThriftWriter::Type::Struct, 15);
  EXPECT_EQ(hex(nested.bytes()), "48 02 61 62 1c 16 01 11 12 00 24 d8 04 19 25 02 03 19 fc 0f");
}

TEST(Plain, IsOfTheFormat) {
  std::string out;
  append_plain(std::int16_t{-2}, out);
  append_plain(std::string_view("ab"), out);
  append_plain(static_cast<sql::Int128>(258), out);
  EXPECT_EQ(hex(out),
            "fe ff ff ff 02 00 00 00 61 62 "
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 02");
  std::string bits;
  append_bits(std::vector<std::int8_t>{1, 0, 0, 1, 0, 0, 0, 0, 1}, bits);
  EXPECT_EQ(hex(bits), "09 01");
}

TEST(Dictionary, IsMadeIfValuesComeAgain) {
  const std::vector<std::string_view> values{"b", "a", "b", "b", "a", "a"};
  const auto found = dictionary_of(std::span(values), 4096);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->words, testing::ElementsAre("b", "a"));
  EXPECT_THAT(found->indexes, testing::ElementsAre(0, 1, 0, 0, 1, 1));
}

TEST(Dictionary, IsNotMadeOfValuesThatDoNot) {
  std::vector<std::int64_t> ids(5000);
  std::iota(ids.begin(), ids.end(), 0);
  EXPECT_FALSE(dictionary_of(std::span<const std::int64_t>(ids), 4096));
  std::vector<std::int32_t> many(100'000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::int32_t>(i % 5000);
  EXPECT_FALSE(dictionary_of(std::span<const std::int32_t>(many), 4096));
  EXPECT_FALSE(dictionary_of(std::span<const std::int32_t>(), 4096));
  EXPECT_FALSE(dictionary_of(std::span<const std::int32_t>(many).first(1), 4096));
}

TEST(Dictionary, KeepsTheBitsOfNumbers) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> values{0.0, -0.0, nan, nan, -0.0, 0.0, 0.0, nan};
  const auto found = dictionary_of(std::span(values), 4096);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->indexes, testing::ElementsAre(0, 1, 2, 2, 1, 0, 0, 2));
}

}  // namespace
}  // namespace millrace::parquet
