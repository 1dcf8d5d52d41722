#include "deploy/variables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace millrace::deploy {
namespace {

using testing::HasSubstr;
using Values = std::map<std::string, std::string>;

std::variant<DeployedFile, config::Problems> read(const std::string& text, Values values = {}) {
  return read_deployed(text, "/shop/shop.yaml",
                       [values](const std::string& name) -> std::optional<std::string> {
                         const auto found = values.find(name);
                         return found == values.end() ? std::nullopt : std::optional(found->second);
                       });
}

std::string file_with(const std::string& lake, const std::string& more = "") {
  return "pipeline: shop\nlake: " + lake +
         "\nsources:\n  orders: {from: kinesis, stream: \"${STREAM:-orders}\", schema: {id: "
         "varchar}}\ntables:\n  kept: {from: orders, sql: SELECT id FROM orders}\n" +
         more;
}

/// `NAME names 1:lake`, or `fixed`, `secret`.
std::string told(const std::variant<DeployedFile, config::Problems>& file) {
  std::string out;
  for (const auto& variable : std::get<DeployedFile>(file).variables) {
    out += variable.name;
    for (const auto& name : variable.names) {
      out += " " + std::to_string(static_cast<int>(name.part)) + ":" + name.of;
    }
    if (variable.is_fixed) out += " fixed " + variable.text();
    if (variable.is_secret) out += " secret";
    out += "\n";
  }
  return out;
}

TEST(Variables, AreFoundByWhatTheyDecide) {
  EXPECT_EQ(told(read(file_with("s3://${BUCKET:-my-lake}/tables"))),
            "BUCKET 1:\nSTREAM 3:orders\n");
}

TEST(Variables, NeedNotBeSet) {
  const auto file = read(file_with("s3://${BUCKET}/tables"));
  EXPECT_EQ(told(file), "BUCKET 1:\nSTREAM 3:orders\n");
  EXPECT_FALSE(std::get<DeployedFile>(file).variables[0].fallback);
}

TEST(Variables, ThatArePiecesOfNamesAreFixed) {
  EXPECT_EQ(told(read(file_with("s3://lake-${STAGE:-dev}/tables"), {{"STAGE", "prod"}})),
            "STAGE fixed prod\nSTREAM 3:orders\n");
  EXPECT_EQ(told(read(file_with("s3://lake/${STAGE:-dev}"))), "STAGE fixed dev\nSTREAM 3:orders\n");
}

TEST(Variables, OfSecretsAreKnownByTheirPlaceAndKeepNoValue) {
  const auto file =
      read(file_with("s3://lake/t", "alerts:\n  a: {from: kept, send: {webhook: \"${HOOK}\"}}\n"),
           {{"HOOK", "https://example.com/key"}});
  EXPECT_EQ(told(file), "HOOK secret\nSTREAM 3:orders\n");
  EXPECT_FALSE(std::get<DeployedFile>(file).variables[0].value);
}

TEST(Variables, OfTargetsThatAreEmptyHereAreFound) {
  EXPECT_EQ(
      told(read(file_with("s3://lake/t",
                          "alerts:\n  a: {from: kept, send: {log: info, sns: \"${TOPIC:-}\"}}\n"))),
      "STREAM 3:orders\nTOPIC 5:a\n");
}

TEST(Variables, WhatIsWrongIsToldAsItStands) {
  const auto file = read("pipeline: shop\nlake: s3://${B}/t\nsources: {a: {from: nothing}}\n");
  const auto& errors = std::get<config::Problems>(file).errors;
  EXPECT_THAT(errors[0].text(), HasSubstr("the environment variable B is not set"));
  EXPECT_THAT(errors[1].text(), HasSubstr("shop.yaml:3:"));
}

}  // namespace
}  // namespace millrace::deploy
