#include "aws/json_members.hpp"

#include <nlohmann/json.hpp>

namespace millrace::aws {

const nlohmann::json* member(const nlohmann::json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const nlohmann::json& json, const char* name) {
  const auto* value = member(json, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

}  // namespace millrace::aws
