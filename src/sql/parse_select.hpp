#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "sql/connection.hpp"

namespace millrace::sql {

/// Parses `text`, which must be one SELECT, into DuckDB's tree: `{"statements": [{"node": …}]}`.
/// Names and types are not looked at.
/// Errors  Invalid, with place `byte N` where one is known.
base::Result<nlohmann::json> parse_select(Connection& connection, std::string_view text);

}  // namespace millrace::sql
