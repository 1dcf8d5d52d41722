#pragma once

#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::deploy {

/// Keeps the order in which things were put in: the same input gives the same bytes.
using Json = nlohmann::ordered_json;

/// The value of a parameter, or what a resource is known by.
Json ref_to(std::string_view id);
Json attribute(std::string_view id, std::string_view name);
/// A text in which `${Id}` and `${Id.Attribute}` are put in; without any, the text itself.
Json sub(std::string_view text);
/// `yes` if the condition holds, else `no`.
Json either(std::string_view condition, Json yes, Json no);
/// Takes the property away.
Json no_value();

/// `{"Key": …, "Value": …}` of each.
Json tag_list(const std::vector<std::pair<std::string, std::string>>& tags);
Json tag_map(const std::vector<std::pair<std::string, std::string>>& tags);

/// The resource that was put in.
Json& put_resource(Json& root, std::string_view id, std::string_view type, Json properties);
void put_parameter(Json& root, std::string_view id, Json parameter);
void put_condition(Json& root, std::string_view id, Json condition);
void put_output(Json& root, std::string_view id, std::string_view description, Json value);

/// One statement of a policy. Actions are whole names; `resource` is one, or a list.
struct Statement {
  std::string id;
  std::vector<std::string> actions;
  std::vector<std::string> resources;  ///< as of `sub`, or JSON; `*` only with `why`
  std::string why = {};                ///< why no narrower resource can be named
  std::string condition = {};          ///< JSON; empty: none
};

/// A role that `service` takes, with one policy; what is not narrow says why in its metadata.
struct Role {
  std::string id;
  std::string name;  ///< as of `sub`
  std::string service;
  std::vector<Statement> statements;
  bool is_for_account = false;  ///< taken for things of this account only, where `service` says so
};
void put_role(Json& root, const Role& role,
              const std::vector<std::pair<std::string, std::string>>& tags);

}  // namespace millrace::deploy
