#include "http/compression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using base::Code;

std::string varied_text(std::size_t size) {
  std::string text;
  for (std::uint32_t i = 0; text.size() < size; ++i) text += std::to_string(i * 2654435761U);
  text.resize(size);
  return text;
}

class Compression : public testing::TestWithParam<Encoding> {};
INSTANTIATE_TEST_SUITE_P(All, Compression,
                         testing::Values(Encoding::Identity, Encoding::Gzip, Encoding::Zstd),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST_P(Compression, GivesBackWhatWentIn) {
  for (const std::size_t size : {0, 1, 1000, 32768, 65536, 300'000}) {
    const auto text = varied_text(size);
    const auto bytes = compress(GetParam(), text);
    if (GetParam() != Encoding::Identity) {
      EXPECT_FALSE(bytes.empty());
      EXPECT_LT(bytes.size(), 100 + size * 3 / 4);
    }
    EXPECT_EQ(decompress(GetParam(), bytes).value_or("refused"), text);
  }
}

TEST_P(Compression, GivesBackWhatCameInPieces) {
  const auto text = varied_text(100'000);
  const auto bytes = compress(GetParam(), text);
  for (const std::size_t step : {1, 7, 4096}) {
    const auto decoder = Decoder::make(GetParam(), {});
    std::string decoded;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      ASSERT_TRUE(decoder->decode(std::string_view(bytes).substr(at, step), decoded));
    }
    EXPECT_TRUE(decoder->finish());
    EXPECT_EQ(decoded, text);
  }
}

TEST_P(Compression, HoldsTheLimitOfBytes) {
  const auto bytes = compress(GetParam(), varied_text(10'000));
  EXPECT_TRUE(decompress(GetParam(), bytes, {.bytes_max = 10'000}).has_value());
  EXPECT_EQ(decompress(GetParam(), bytes, {.bytes_max = 9'999}).error().code, Code::Exhausted);
}

class RealCompression : public testing::TestWithParam<Encoding> {};
INSTANTIATE_TEST_SUITE_P(All, RealCompression, testing::Values(Encoding::Gzip, Encoding::Zstd),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST_P(RealCompression, TakesParts) {
  const auto two = compress(GetParam(), "one") + compress(GetParam(), "two");
  EXPECT_EQ(decompress(GetParam(), two).value_or("refused"), "onetwo");
}

TEST_P(RealCompression, RefusesWhatIsCutOff) {
  const auto bytes = compress(GetParam(), varied_text(1000));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = decompress(GetParam(), std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(decoded.has_value()) << size;
    EXPECT_EQ(decoded.error().code, Code::Invalid);
  }
}

TEST_P(RealCompression, RefusesGarbage) {
  const auto bytes = compress(GetParam(), varied_text(1000));
  EXPECT_EQ(decompress(GetParam(), "hello, world").error().code, Code::Invalid);
  EXPECT_EQ(decompress(GetParam(), bytes + "hello, world").error().code, Code::Invalid);
}

TEST_P(RealCompression, HoldsTheRatioBeyondWhatIsFree) {
  const auto bytes = compress(GetParam(), std::string(3_MiB, 'x'));
  EXPECT_EQ(decompress(GetParam(), bytes).error().code, Code::Exhausted);
  EXPECT_TRUE(decompress(GetParam(), bytes, {.ratio_free_bytes = 3_MiB}).has_value());
  EXPECT_TRUE(decompress(GetParam(), bytes, {.ratio_max = 1'000'000}).has_value());
}

TEST(Zstd, RefusesAWindowThatIsTooLarge) {
  // A frame header: magic number, no content size, a window of 2^28 (exponent 18 above 10).
  const std::string_view frame("\x28\xB5\x2F\xFD\x00\x90\x01\x00\x00", 9);
  const auto decoded = decompress(Encoding::Zstd, frame);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_THAT(decoded.error().message, testing::HasSubstr("memory"));
  // One of 2^27 is taken.
  const std::string_view smaller("\x28\xB5\x2F\xFD\x00\x88\x01\x00\x00", 9);
  EXPECT_EQ(decompress(Encoding::Zstd, smaller).value_or("refused"), "");
}

TEST(EncodingOf, KnowsTheOnesThatAreTaken) {
  EXPECT_EQ(encoding_of(""), Encoding::Identity);
  EXPECT_EQ(encoding_of("identity"), Encoding::Identity);
  EXPECT_EQ(encoding_of(" GZIP "), Encoding::Gzip);
  EXPECT_EQ(encoding_of("x-gzip"), Encoding::Gzip);
  EXPECT_EQ(encoding_of("zstd"), Encoding::Zstd);
  for (const auto* name : {"br", "deflate", "gzip, zstd", "gzip,", "*"}) {
    EXPECT_EQ(encoding_of(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace millrace::http
