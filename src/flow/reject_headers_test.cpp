#include "flow/reject_headers.hpp"

#include <gtest/gtest.h>

namespace millrace::flow {
namespace {

using namespace std::string_view_literals;

TEST(RejectHeaders, ComeBackAsTheyWere) {
  const std::vector<base::Header> headers{{"tenant", "acme \"x\" \xC3\xA9"sv},
                                          {"null", std::nullopt},
                                          {"empty", ""sv},
                                          {"bytes", "\xFF\0"sv}};
  const auto text = encode_headers(headers);
  EXPECT_EQ(text,
            "{\"tenant\":\"acme \\\"x\\\" \xC3\xA9\",\"null\":null,\"empty\":\"\","
            "\"bytes\":{\"base64\":\"/wA=\"}}");
  KeptHeaders kept;
  const auto first = kept.add(text).value();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(kept.add(text));  // nothing that it has moves
  ASSERT_EQ(first.size(), headers.size());
  for (std::size_t i = 0; i < headers.size(); ++i) {
    EXPECT_EQ(first[i].name, headers[i].name);
    EXPECT_EQ(first[i].value, headers[i].value);
  }
}

TEST(RejectHeaders, SayThatTheyAreDamaged) {
  for (const auto* text : {"", "[]", "{", R"({"a":1})", R"({"a":{}})", R"({"a":{"base64":1}})",
                           R"({"a":{"base64":"?"}})"}) {
    KeptHeaders kept;
    const auto read = kept.add(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, base::Code::Corrupt);
  }
}

}  // namespace
}  // namespace millrace::flow
