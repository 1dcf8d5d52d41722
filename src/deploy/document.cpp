#include "deploy/document.hpp"

#include <nlohmann/json.hpp>

#include "base/result.hpp"
#include "base/text.hpp"

namespace millrace::deploy {
namespace {

Json resource_of(const std::string& text) {
  return text.starts_with('{') ? Json::parse(text) : sub(text);
}

/// A text for each resource, or the one.
Json resources_of(const Statement& statement) {
  if (statement.resources.size() == 1) return resource_of(statement.resources.front());
  Json list = Json::array();
  for (const auto& resource : statement.resources) list.push_back(resource_of(resource));
  return list;
}

Json json_of(const Statement& statement) {
  Json json{{"Sid", statement.id}, {"Effect", "Allow"}, {"Action", statement.actions}};
  json["Resource"] = resources_of(statement);
  if (!statement.condition.empty()) json["Condition"] = Json::parse(statement.condition);
  return json;
}

}  // namespace

Json ref_to(std::string_view id) {
  return {{"Ref", id}};
}

Json attribute(std::string_view id, std::string_view name) {
  return {{"Fn::GetAtt", Json::array({id, name})}};
}

Json sub(std::string_view text) {
  if (text.find("${") == std::string_view::npos) return text;
  // A text that is one name is that name.
  const bool is_whole = text.starts_with("${") && text.find('}') == text.size() - 1;
  const auto name = is_whole ? text.substr(2, text.size() - 3) : text;
  if (is_whole && name.find('.') == std::string_view::npos) return ref_to(name);
  return {{"Fn::Sub", text}};
}

Json either(std::string_view condition, Json yes, Json no) {
  return {{"Fn::If", Json::array({condition, std::move(yes), std::move(no)})}};
}

Json no_value() {
  return ref_to("AWS::NoValue");
}

Json tag_list(const std::vector<std::pair<std::string, std::string>>& tags) {
  Json list = Json::array();
  for (const auto& [key, value] : tags) list.push_back({{"Key", key}, {"Value", value}});
  return list;
}

Json tag_map(const std::vector<std::pair<std::string, std::string>>& tags) {
  Json map = Json::object();
  for (const auto& [key, value] : tags) map[key] = value;
  return map;
}

Json& put_resource(Json& root, std::string_view id, std::string_view type, Json properties) {
  auto& resources = root["Resources"];
  // Ids that are made of the file's names end otherwise than those that are always there.
  CHECK(!resources.contains(std::string(id)));
  return resources[std::string(id)] = Json{{"Type", type}, {"Properties", std::move(properties)}};
}

void put_parameter(Json& root, std::string_view id, Json parameter) {
  root["Parameters"][std::string(id)] = std::move(parameter);
}

void put_condition(Json& root, std::string_view id, Json condition) {
  root["Conditions"][std::string(id)] = std::move(condition);
}

void put_output(Json& root, std::string_view id, std::string_view description, Json value) {
  root["Outputs"][std::string(id)] =
      Json{{"Description", description}, {"Value", std::move(value)}};
}

void put_role(Json& root, const Role& role,
              const std::vector<std::pair<std::string, std::string>>& tags) {
  Json statements = Json::array();
  Json reasons = Json::object();
  for (const auto& statement : role.statements) {
    statements.push_back(json_of(statement));
    if (!statement.why.empty()) reasons[statement.id] = statement.why;
  }
  Json taker{{"Effect", "Allow"},
             {"Principal", {{"Service", role.service}}},
             {"Action", "sts:AssumeRole"}};
  if (role.is_for_account) {
    taker["Condition"] = {{"StringEquals", {{"aws:SourceAccount", ref_to("AWS::AccountId")}}}};
  }
  const Json trust{{"Version", "2012-10-17"}, {"Statement", Json::array({taker})}};
  auto& resource = put_resource(
      root, role.id, "AWS::IAM::Role",
      {{"RoleName", sub(role.name)},
       {"AssumeRolePolicyDocument", trust},
       {"Policies",
        Json::array({{{"PolicyName", "millrace"},
                      {"PolicyDocument",
                       {{"Version", "2012-10-17"}, {"Statement", std::move(statements)}}}}})},
       {"Tags", tag_list(tags)}});
  if (!reasons.empty()) resource["Metadata"] = {{"AllResources", reasons}};
}

}  // namespace millrace::deploy
