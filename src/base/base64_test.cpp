#include "base/base64.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::base {
namespace {

// RFC 4648, section 10.
TEST(Base64, EncodesAsTheStandardsExamples) {
  const std::vector<std::pair<std::string, std::string>> examples = {{"", ""},
                                                                     {"f", "Zg=="},
                                                                     {"fo", "Zm8="},
                                                                     {"foo", "Zm9v"},
                                                                     {"foob", "Zm9vYg=="},
                                                                     {"fooba", "Zm9vYmE="},
                                                                     {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
}

TEST(Base64, GivesAnyBytesBack) {
  std::string bytes;
  for (int i = 0; i < 700; ++i) {
    ASSERT_EQ(decode_base64(base64(bytes)), bytes) << i;
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const auto* text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zm9=Zm9v",
                           "Zm9-", "Zm9_", "Zm 9", "Zm9\x80", "Zm9v\n", "Zm9$", "=Zg="}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

}  // namespace
}  // namespace millrace::base
