// The variables that the pipeline file names, where it runs.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deploy/names.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

/// What a variable names and the template makes.
const Thing* made_for(const Site& site, const Variable& variable) {
  for (const auto& name : variable.names) {
    const auto* thing = site.thing(name.part, name.of);
    if (thing && !thing->id.empty()) return thing;
  }
  return nullptr;
}

bool is_parameter(const Site& site, const Variable& variable) {
  return !variable.is_fixed && !made_for(site, variable);
}

/// Permissions for it are asked for only if it is given.
bool may_be_left_out(const Variable& variable) {
  return std::ranges::any_of(variable.names, [](const Fact& fact) {
    return fact.part == Part::Topic || fact.part == Part::Queue || fact.part == Part::AlertStream;
  });
}

Json secret_parameter(const Variable& variable) {
  Json parameter{
      {"Type", "String"},
      {"NoEcho", true},
      {"Description",
       fmt::format("ARN of a secret of Secrets Manager whose text is {}{}", variable.name,
                   variable.fallback ? "; empty: the file's default" : "")}};
  if (variable.fallback) parameter["Default"] = "";
  parameter["AllowedPattern"] =
      variable.fallback ? "^$|^arn:[^:]+:secretsmanager:.+$" : "^arn:[^:]+:secretsmanager:.+$";
  return parameter;
}

}  // namespace

Json value_of(const Site& site, const Variable& variable) {
  const auto parameter = parameter_of(variable.name);
  if (variable.is_secret) {
    const auto secret =
        Json{{"Fn::Sub", "{{resolve:secretsmanager:${" + parameter + "}:SecretString}}"}};
    // An empty value is one that is not set, where the file has a default.
    return variable.fallback ? either("Has" + parameter, secret, "") : secret;
  }
  if (variable.is_fixed) return variable.text();
  const auto* thing = made_for(site, variable);
  if (!thing) return ref_to(parameter);
  return thing->part == Part::RedshiftRole ? sub("${" + thing->id + ".Arn}") : ref_to(thing->id);
}

void put_variables(Json& root, const Site& site) {
  for (const auto& variable : site.variables) {
    if (!is_parameter(site, variable)) continue;
    const auto id = parameter_of(variable.name);
    if (variable.is_secret) {
      put_parameter(root, id, secret_parameter(variable));
      if (!variable.fallback) continue;
    } else {
      Json parameter{{"Type", "String"},
                     {"Description", fmt::format("{} of the pipeline file", variable.name)}};
      if (variable.fallback) parameter["Default"] = *variable.fallback;
      put_parameter(root, id, std::move(parameter));
      if (!may_be_left_out(variable)) continue;
    }
    put_condition(root, "Has" + id,
                  {{"Fn::Not", Json::array({{{"Fn::Equals", Json::array({ref_to(id), ""})}}})}});
  }
}

Json environment_of(const Site& site) {
  Json environment = Json::object();
  for (const auto& variable : site.variables) {
    environment[variable.name] = value_of(site, variable);
  }
  return environment;
}

}  // namespace millrace::deploy
