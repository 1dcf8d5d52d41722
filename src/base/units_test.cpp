#include "base/units.hpp"

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

using namespace std::chrono_literals;

TEST(ParseBytes, ReadsDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_bytes("512").value(), 512U);
  EXPECT_EQ(parse_bytes("512B").value(), 512U);
  EXPECT_EQ(parse_bytes("128MB").value(), 128'000'000U);
  EXPECT_EQ(parse_bytes("1GiB").value(), 1_GiB);
  EXPECT_EQ(parse_bytes("1.5KB").value(), 1500U);
  EXPECT_EQ(parse_bytes("64 MiB").value(), 64_MiB);
  EXPECT_EQ(parse_bytes("0").value(), 0U);
}

TEST(ParseBytes, RefusesEverythingElse) {
  for (const auto* text : {"", "MB", "-1", "+1", "1e3", "1 2", "1mb", "1XB", "1MBs", " 1", ".5MB",
                           "0x10", "99999999999TB", "inf", "nan"}) {
    const auto bytes = parse_bytes(text);
    ASSERT_FALSE(bytes) << text;
    EXPECT_EQ(bytes.error().code, Code::Invalid);
    EXPECT_EQ(bytes.error().message,
              "'" + std::string(text) + "' is not a size like 128MB or 1GiB");
  }
}

TEST(FormatBytes, ShowsOneDecimal) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1_KiB), "1.0 KiB");
  EXPECT_EQ(format_bytes(1_MiB - 1), "1.0 MiB") << "and not 1024.0 KiB";
  EXPECT_EQ(format_bytes(1_MiB + 200_KiB), "1.2 MiB");
  EXPECT_EQ(format_bytes(5000 * 1024_GiB), "5000.0 TiB");
}

TEST(ParseDuration, ReadsUnitsAndSums) {
  EXPECT_EQ(parse_duration("500ms").value(), 500ms);
  EXPECT_EQ(parse_duration("10s").value(), 10s);
  EXPECT_EQ(parse_duration("5m").value(), 5min);
  EXPECT_EQ(parse_duration("24h").value(), 24h);
  EXPECT_EQ(parse_duration("7d").value(), 168h);
  EXPECT_EQ(parse_duration("1h30m").value(), 90min);
  EXPECT_EQ(parse_duration("1.5s").value(), 1500ms);
  EXPECT_EQ(parse_duration("7us").value(), 7us);
  EXPECT_EQ(parse_duration("0s").value(), 0s);
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const auto* text : {"", "5", "1h30", "-5s", "5 m", "h", "5x", "1e3s", "10S", "s5", "5m ",
                           "999999999d", "400000d", "inf"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().code, Code::Invalid);
  }
}

TEST(FormatDuration, IsReadBackTheSame) {
  EXPECT_EQ(format_duration(0us), "0s");
  EXPECT_EQ(format_duration(90min), "1h30m");
  EXPECT_EQ(format_duration(250ms), "250ms");
  for (const auto duration : {1us, 999us, 1'000'001us, 86'400'000'000us, 123'456'789'012us}) {
    EXPECT_EQ(parse_duration(format_duration(duration)).value(), duration);
  }
}

}  // namespace
}  // namespace millrace::base
