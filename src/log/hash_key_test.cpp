#include "log/hash_key.hpp"

#include <gtest/gtest.h>

namespace millrace::log {
namespace {

// hashlib.md5(b"user-1") and (b"") as numbers, most significant byte first.
TEST(HashKey, IsTheDigestOfTheKeyAsANumber) {
  EXPECT_EQ(decimal(hash_key_of("user-1")), "285573413173782752570879317399258818820");
  EXPECT_EQ(hexadecimal(hash_key_of("")), "d41d8cd98f00b204e9800998ecf8427e");
}

TEST(HashKey, IsWrittenAndReadInDecimalsAndHexadecimals) {
  EXPECT_EQ(decimal(0), "0");
  EXPECT_EQ(decimal(kHashKeyMax), "340282366920938463463374607431768211455");
  EXPECT_EQ(parse_decimal("340282366920938463463374607431768211455"), kHashKeyMax);
  EXPECT_EQ(parse_decimal("170141183460469231731687303715884105728"), HashKey{1} << 127);
  EXPECT_EQ(parse_hexadecimal(hexadecimal(HashKey{1} << 127)), HashKey{1} << 127);
}

TEST(HashKey, RefusesWhatIsNoNumberOfItsSize) {
  for (const auto* text : {"", "340282366920938463463374607431768211456", "-1", "1a", "0x1",
                           "1000000000000000000000000000000000000000"}) {
    EXPECT_FALSE(parse_decimal(text)) << text;
  }
  EXPECT_FALSE(parse_hexadecimal("0"));
  EXPECT_FALSE(parse_hexadecimal("g0000000000000000000000000000000"));
}

}  // namespace
}  // namespace millrace::log
