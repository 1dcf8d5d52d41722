#include "config/differences.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace millrace::config {
namespace {

// `~tables.a[sql], +jobs.b`
std::string compared(std::string_view before, std::string_view after) {
  std::string text;
  for (const auto& one : differences(before, after)) {
    const char sign = one.kind == Difference::Kind::Added     ? '+'
                      : one.kind == Difference::Kind::Removed ? '-'
                                                              : '~';
    text += fmt::format("{}{}{}{}{}", text.empty() ? "" : ", ", sign, one.section,
                        one.name.empty() ? "" : "." + one.name,
                        one.keys.empty() ? "" : fmt::format("[{}]", fmt::join(one.keys, " ")));
  }
  return text;
}

constexpr std::string_view kFile = R"yaml(
pipeline: shop
timezone: UTC
tables:
  a: {from: raw, sql: "SELECT 1", partition_by: [day]}
  b: {from: raw, sql: "SELECT 2"}
)yaml";

TEST(Differences, AreNoneOfTheSameInOtherWords) {
  EXPECT_EQ(compared(kFile, R"yaml(
timezone: UTC    # where we are
pipeline: shop
tables:
  b:
    sql: |-
      SELECT 2
    from: raw
  a:
    partition_by:
      - day
    from: raw
    sql: "SELECT 1"
)yaml"),
            "");
}

TEST(Differences, NameWhatIsNewChangedAndGone) {
  EXPECT_EQ(compared(kFile, R"yaml(
pipeline: shop
timezone: Europe/Berlin
lake: s3://bucket/lake
tables:
  a: {from: raw, sql: "SELECT 3", commit: {every: 1s}, partition_by: [day]}
  c: {from: raw, sql: "SELECT 2"}
jobs:
  d: {sql: "SELECT 1"}
)yaml"),
            "~timezone, +lake, ~tables.a[sql commit], +tables.c, -tables.b, +jobs.d");
}

TEST(Differences, AreFoundWithinListsAndMappings) {
  EXPECT_EQ(compared("tables: {a: {x: [1, {y: 2}]}}", "tables: {a: {x: [1, {y: 3}]}}"),
            "~tables.a[x]");
  EXPECT_EQ(compared("tables: {a: {x: 1}}", "tables: {a: {x: '1'}}"), "~tables.a[x]");
  EXPECT_EQ(compared("tables: {a: {x: 1}}", "tables:"), "-tables.a");
  EXPECT_EQ(compared("tables:", "tables:"), "");
}

}  // namespace
}  // namespace millrace::config
