#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "config/schema.hpp"

namespace millrace::config {
namespace {

using Json = nlohmann::ordered_json;
using enum ValueKind;

constexpr const char* kVariable = "\\$\\{";

long long number_of(std::string_view text) {
  long long number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Json plain_value() {
  return {{"type", Json::array({"string", "number", "boolean"})}};
}
Json nullable_value() {
  return {{"type", Json::array({"string", "number", "boolean", "null"})}};
}
Json list_of(Json items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}
Json any_of(Json one, Json other) {
  return {{"anyOf", Json::array({std::move(one), std::move(other)})}};
}
Json variable() {
  return {{"type", "string"}, {"pattern", kVariable}};
}
// Names and a value for each.
Json map_of(Json values) {
  return {{"type", "object"}, {"additionalProperties", std::move(values)}};
}
Json named(Json map) {
  map["propertyNames"] = {{"pattern", "^[a-z][a-z0-9_]{0,63}$"}};
  return map;
}

Json expected() {
  return {{"type", "object"},
          {"properties", {{"rows", list_of(list_of(nullable_value()))}}},
          {"required", Json::array({"rows"})},
          {"minProperties", 2},
          {"maxProperties", 2},
          {"additionalProperties", {{"type", "string"}}}};
}

Json parameters() {
  Json details{{"type", "object"},
               {"properties", {{"type", {{"type", "string"}}}, {"default", plain_value()}}},
               {"additionalProperties", false}};
  return named(map_of(any_of(nullable_value(), std::move(details))));
}

Json schema_of(const KeyRule& rule) {
  const auto reference = [&] { return Json{{"$ref", fmt::format("#/$defs/{}", rule.of)}}; };
  switch (rule.kind) {
    case Text:
    case Sql:
      return plain_value();
    case Integer: {
      const auto [first, last] = ends_of(rule.of);
      return any_of(
          {{"type", "integer"}, {"minimum", number_of(first)}, {"maximum", number_of(last)}},
          variable());
    }
    case Boolean:
      return any_of({{"type", "boolean"}}, variable());
    case Duration:
      return {{"type", "string"},
              {"pattern", fmt::format("^([0-9.]+(us|ms|s|m|h|d))+$|{}", kVariable)}};
    case Bytes:
      return {{"type", Json::array({"string", "integer"})}};
    case Words: {
      Json words = Json::array();
      for (const auto& word : words_of(rule.of)) words.push_back(word);
      return any_of({{"enum", words}}, variable());
    }
    case Object:
      return reference();
    case TextOrObject:
      return any_of({{"type", "string"}}, reference());
    case MapOf:
      return named(map_of(reference()));
    case ListOf:
      return list_of(reference());
    case TextList:
      return any_of(plain_value(), list_of(plain_value()));
    case TextMap:
    case Columns:
      return map_of({{"type", "string"}});
    case SqlPairs: {
      Json pair = list_of(plain_value());
      pair["minItems"] = pair["maxItems"] = 2;
      return list_of(std::move(pair));
    }
    case Parameters:
      return parameters();
    case Records:
      return map_of(any_of(plain_value(), list_of(plain_value())));
    case Expected:
      return any_of(expected(), list_of(expected()));
    case Any:
      break;
  }
  return Json::object();
}

Json schema_of(const SectionRule& section) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& rule : section.keys) {
    if (!rule.is_available) continue;
    Json property = schema_of(rule);
    property["description"] = rule.doc;
    properties[std::string(rule.key)] = std::move(property);
    if (rule.is_required) required.push_back(rule.key);
  }
  return {{"type", "object"},
          {"description", section.doc},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}

}  // namespace

std::string json_schema() {
  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "Millrace pipeline"},
              {"$ref", "#/$defs/file"},
              {"$defs", Json::object()}};
  for (const auto& section : section_rules()) {
    schema["$defs"][std::string(section.name)] = schema_of(section);
  }
  return schema.dump(1) + "\n";
}

}  // namespace millrace::config
