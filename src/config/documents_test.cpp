// The checked-in schema and reference page are what the table of keys makes of itself.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "config/schema.hpp"

namespace millrace::config {
namespace {

using Json = nlohmann::json;

void expect_file(const std::string& name, const std::string& wanted) {
  const std::string path = std::string(MILLRACE_SOURCE_DIR) + "/docs/" + name;
  if (std::getenv("MILLRACE_WRITE_DOCS")) std::ofstream(path) << wanted;
  std::stringstream found;
  found << std::ifstream(path).rdbuf();
  EXPECT_EQ(found.str(), wanted)
      << path << " is not what the code makes; write it anew with\n  MILLRACE_WRITE_DOCS=1 "
      << "build/release/src/config/config_test --gtest_filter='Documents.*'";
}

Json json_of(const YAML::Node& node) {
  if (node.IsNull()) return nullptr;
  if (node.IsSequence()) {
    Json list = Json::array();
    for (const auto& item : node) list.push_back(json_of(item));
    return list;
  }
  if (node.IsMap()) {
    Json map = Json::object();
    for (const auto& entry : node) map[entry.first.Scalar()] = json_of(entry.second);
    return map;
  }
  if (node.Tag() == "!") return node.Scalar();
  const auto plain = Json::parse(node.Scalar(), nullptr, false);
  return plain.is_number() || plain.is_boolean() ? plain : Json(node.Scalar());
}

/// As much of JSON Schema as ours uses. The first thing that is wrong, as a path; empty: valid.
class Validator {
 public:
  explicit Validator(Json schema) : root_(std::move(schema)) {}

  std::string check(const Json& value) const { return check(root_, value, "$"); }

 private:
  static bool has_type(const Json& value, const std::string& type) {
    if (type == "integer") return value.is_number_integer();
    return type == (value.is_number() ? "number" : value.type_name());
  }

  std::string check(const Json& schema, const Json& value, const std::string& path) const {
    for (const auto& [word, rule] : schema.items()) {
      const auto wrong = check_word(word, rule, schema, value, path);
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

  std::string check_word(const std::string& word, const Json& rule, const Json& schema,
                         const Json& value, const std::string& path) const {
    if (word == "$ref") {
      return check(root_.at(Json::json_pointer(rule.get<std::string>().substr(1))), value, path);
    }
    if (word == "anyOf") {
      std::string wrong;
      for (const auto& option : rule) {
        wrong = check(option, value, path);
        if (wrong.empty()) return "";
      }
      return wrong;
    }
    const auto fail = [&](bool is_wrong) { return is_wrong ? path + " " + word : ""; };
    if (word == "type") {
      const Json types = rule.is_array() ? rule : Json::array({rule});
      return fail(
          std::ranges::none_of(types, [&](const Json& type) { return has_type(value, type); }));
    }
    if (word == "enum") return fail(std::ranges::find(rule, value) == rule.end());
    if (word == "pattern" && value.is_string()) {
      return fail(
          !std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>())));
    }
    if (word == "minimum" && value.is_number()) return fail(value < rule);
    if (word == "maximum" && value.is_number()) return fail(value > rule);
    if ((word == "minItems" || word == "minProperties")) return fail(value.size() < rule);
    if ((word == "maxItems" || word == "maxProperties")) return fail(value.size() > rule);
    if (word == "items") {
      for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) {
        const auto wrong = check(rule, value[i], path + "[" + std::to_string(i) + "]");
        if (!wrong.empty()) return wrong;
      }
    }
    if (!value.is_object()) return "";
    if (word == "required") {
      return fail(std::ranges::any_of(rule, [&](const Json& key) { return !value.contains(key); }));
    }
    return check_properties(word, rule, schema, value, path);
  }

  std::string check_properties(const std::string& word, const Json& rule, const Json& schema,
                               const Json& value, const std::string& path) const {
    for (const auto& [key, inner] : value.items()) {
      const std::string at = path + "." + key;
      std::string wrong;
      if (word == "propertyNames") wrong = check(rule, key, at);
      if (word == "properties" && rule.contains(key)) wrong = check(rule[key], inner, at);
      if (word == "additionalProperties" &&
          !schema.value("properties", Json::object()).contains(key)) {
        wrong = rule == false ? at + " " + word : check(rule, inner, at);
      }
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

  const Json root_;
};

std::string check(std::string_view yaml) {
  return Validator(Json::parse(json_schema())).check(json_of(YAML::Load(std::string(yaml))));
}

TEST(Documents, TheJsonSchemaIsUpToDate) {
  expect_file("millrace.schema.json", json_schema());
}

TEST(Documents, TheReferencePageIsUpToDate) {
  expect_file("pipeline_file.md", reference_page());
}

TEST(JsonSchema, AcceptsTheReferencePipeline) {
  EXPECT_EQ(check(example_pipeline()), "");
}

TEST(JsonSchema, RefusesWhatTheCodeRefuses) {
  const std::string start = "pipeline: p\nsources:\n  s: {from: log, schema: {a: int}}\n";
  EXPECT_EQ(check(start), "");
  EXPECT_EQ(check("sources: {}"), "$ required");
  EXPECT_EQ(check(start + "rollups: {}"), "$.rollups additionalProperties");
  EXPECT_EQ(check(start + "tables: {T: {from: s, sql: x}}"), "$.tables.T pattern");
  EXPECT_EQ(check(start + "tables: {t: {form: s, sql: x}}"),
            "$.tables.t.form additionalProperties");
  EXPECT_EQ(check(start + "tables: {t: {from: s, sql: x, commit: {every: 10}}}"),
            "$.tables.t.commit.every type");
  EXPECT_EQ(check(start + "tables: {t: {from: s, sql: x, commit: {every: 10x}}}"),
            "$.tables.t.commit.every pattern");
  EXPECT_EQ(check("pipeline: p\nsources: {s: {from: pulsar, schema: {a: int}}}"),
            "$.sources.s.from pattern");
  EXPECT_NE(check("pipeline: p\nsources: {s: {from: log, shards: 300, schema: {a: int}}}"), "");
  EXPECT_EQ(check("pipeline: p\nsources: {s: {from: log, shards: '${N}', schema: {a: int}}}"), "");
  EXPECT_EQ(check(start + "jobs: {j: {sql: x, reconcile: [[a]]}}"),
            "$.jobs.j.reconcile[0] minItems");
  EXPECT_EQ(check(start + "reports: {r: {sql: x, parameters: {a: 1, b: , c: {type: date}}}}"), "");
  EXPECT_NE(check(start + "reports: {r: {sql: x, parameters: {c: {typ: date}}}}"), "");
  EXPECT_NE(check(start + "tests: [{name: x, given: {s: '{}'}, expect: {t: SELECT 1}}]"), "");
}

}  // namespace
}  // namespace millrace::config
