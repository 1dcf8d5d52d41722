#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "sql/connection.hpp"

namespace millrace::sql {

/// Parses `text`, which must be one SELECT, into DuckDB's tree: `{"statements": [{"node": …}]}`.
/// Names and types are not looked at.
/// Errors  Invalid, with place `byte N` where one is known.
base::Result<nlohmann::json> parse_select(Connection& connection, std::string_view text);

/// The member `key` of a node of such a tree if it is a word (a node's `type` is one, a constant's
/// an object); else empty.
std::string word(const nlohmann::json& node, const char* key);

}  // namespace millrace::sql
