#include "postgres/binary_copy.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace::postgres {
namespace {

// The bytes after the header, in hexadecimal.
std::string hex(const BinaryCopy& copy) {
  std::string text;
  for (const char byte : copy.view().substr(19)) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

std::string numeric(BinaryCopy::Wide value, int scale) {
  BinaryCopy copy;
  copy.numeric(value, scale);
  return hex(copy).substr(8);  // without its length
}

TEST(BinaryCopy, WritesRowsAsTheServersSendFunctionsDo) {
  BinaryCopy copy;
  copy.row(2);
  copy.int4(1);
  copy.null();
  copy.end();
  EXPECT_EQ(hex(copy), "00020000000400000001ffffffffffff");
  copy.clear();
  EXPECT_EQ(copy.size(), 0U);
}

// Expected: what `SELECT encode(numeric_send(…), 'hex')` gives on a server.
TEST(BinaryCopy, WritesNumericsInGroupsOfFourDigits) {
  EXPECT_EQ(numeric(0, 2), "0000000000000002");
  EXPECT_EQ(numeric(1, 0), "00010000000000000001");
  EXPECT_EQ(numeric(100001, 2), "000200000000000203e80064");         // 1000.01
  EXPECT_EQ(numeric(-12500, 3), "0002000040000003000c1388");         // -12.500
  EXPECT_EQ(numeric(1, 6), "0001fffe000000060064");                  // 0.000001
  EXPECT_EQ(numeric(123456789, 0), "0003000200000000000109291a85");  // 1|2345|6789
  EXPECT_EQ(numeric(10000, 0), "00010001000000000001");  // zeros at the end are not sent
}

TEST(BinaryCopy, WritesTheWidestNumbers) {
  BinaryCopy::Wide widest = 0;
  for (int i = 0; i < 38; ++i) widest = widest * 10 + 9;
  const std::string nines(36, '0');
  EXPECT_EQ(numeric(widest, 0).substr(0, 16), "000a000900000000");
  EXPECT_EQ(numeric(-widest, 38).substr(0, 16), "000affff40000026");
  EXPECT_EQ(numeric(widest, 37).substr(0, 16), "000b000000000025");
}

TEST(BinaryCopy, CountsTimeFromTheYear2000) {
  BinaryCopy copy;
  copy.date(10'957);
  copy.timestamp(946'684'800'000'001);
  EXPECT_EQ(hex(copy), "0000000400000000000000080000000000000001");
  BinaryCopy infinite;
  infinite.date(2147483647);
  infinite.date(-2147483647);
  EXPECT_EQ(hex(infinite), "000000047fffffff0000000480000000");
}

}  // namespace
}  // namespace millrace::postgres
