#include "http/url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(Url, DecodesPercentSigns) {
  EXPECT_EQ(*percent_decode("a%20b%2fc+d"), "a b/c+d");
  for (const auto* text : {"%", "a%2", "%zz", "%0", "%00", "%+1"}) {
    EXPECT_FALSE(percent_decode(text).has_value()) << text;
  }
}

TEST(Url, EncodesWhatItDecodes) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/ü"), "a%20b%2F%C3%BC");
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(*percent_decode(percent_encode(all)), all);
}

TEST(Url, ReadsQueries) {
  EXPECT_THAT(*parse_query("a=1&b=two+words&c=%26&&d&e=x=y"),
              ElementsAre(Pair("a", "1"), Pair("b", "two words"), Pair("c", "&"), Pair("d", ""),
                          Pair("e", "x=y")));
  EXPECT_THAT(*parse_query(""), ElementsAre());
  EXPECT_FALSE(parse_query("a=%").has_value());
  const Parameters parameters{{"a b", "c&d"}, {"e", ""}};
  EXPECT_EQ(*parse_query(format_query(parameters)), parameters);
}

TEST(Url, ReadsPaths) {
  EXPECT_THAT(*parse_path("/"), ElementsAre(""));
  EXPECT_THAT(*parse_path("/v1/a%2Fb"), ElementsAre("v1", "a/b"));
  EXPECT_THAT(*parse_path("/a//b/"), ElementsAre("a", "", "b", ""));
  EXPECT_FALSE(parse_path("/a%").has_value());
}

TEST(Url, ReadsEndpoints) {
  for (const auto* text : {"127.0.0.1:8080", "[::1]:8080", "localhost:8080"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint.has_value()) << endpoint.error().text();
    EXPECT_EQ(format_endpoint(endpoint->host, endpoint->port), text);
  }
  EXPECT_EQ(parse_endpoint("[::1]:1")->host, "::1");
  for (const auto* text : {"", "localhost", ":80", "a:", "a:65536", "a:-1", "a:8x", "::1:80",
                           "[::1]", "[::1", "[]:80", "[::1]80"}) {
    EXPECT_FALSE(parse_endpoint(text).has_value()) << text;
  }
  EXPECT_THAT(parse_endpoint("::1:80").error().message, HasSubstr("in brackets"));
}

TEST(Url, ReadsUrls) {
  const auto read = [](std::string_view text) {
    const auto url = parse_url(text);
    return url ? format_endpoint(url->endpoint.host, url->endpoint.port) + " " + url->target
               : "refused";
  };
  EXPECT_EQ(read("http://a"), "a:80 /");
  EXPECT_EQ(read("HTTP://a:81/b?c=d#e"), "a:81 /b?c=d");
  EXPECT_EQ(read("http://[::1]:81?c"), "[::1]:81 /?c");
  EXPECT_EQ(read("http://a:/"), "a:80 /");
  for (const auto* text : {"", "https://a", "a:80", "http://", "http:///b", "http://u@a/",
                           "http://a:b/", "http://a:99999"}) {
    EXPECT_EQ(read(text), "refused") << text;
  }
}

}  // namespace
}  // namespace millrace::http
