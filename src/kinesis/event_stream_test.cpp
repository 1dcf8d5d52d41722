#include "kinesis/event_stream.hpp"

#include <gtest/gtest.h>

#include <string>

namespace millrace::kinesis {
namespace {

TEST(EventStream, ChecksumIsThatOfZlib) {
  EXPECT_EQ(crc32(""), 0U);
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
}

// Sizes, checksums and headers of a small message, byte by byte.
TEST(EventStream, FramesAMessage) {
  const std::string message = event_message({{"a", "bc"}}, "{}");
  const std::string head("\0\0\0\x19\0\0\0\x07", 8);
  ASSERT_EQ(message.size(), 0x19U);
  EXPECT_EQ(message.substr(0, 8), head);
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
      value = value << 8 | static_cast<std::uint8_t>(message[i]);
    }
    return value;
  };
  EXPECT_EQ(number(8), crc32(head));
  EXPECT_EQ(message.substr(12, 8), std::string("\x01"
                                               "a"
                                               "\x07"
                                               "\0\x02"
                                               "bc"
                                               "{",
                                               8));
  EXPECT_EQ(number(message.size() - 4), crc32(message.substr(0, message.size() - 4)));
}

}  // namespace
}  // namespace millrace::kinesis
