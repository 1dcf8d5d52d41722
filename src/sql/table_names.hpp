#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/connection.hpp"

namespace millrace::sql {

/// A table that an SQL text reads, and the byte of the text where it is first named.
struct TableName {
  std::string name;
  std::optional<std::size_t> at;
};

/// The tables that the SELECT `text` names, each once, in the order of the text, without those that
/// it defines itself: `WITH t AS (SELECT * FROM t)` names the table `t`. It may have parameters.
/// Errors  Invalid: not one SELECT, with place `byte N` where one is known.
base::Result<std::vector<TableName>> tables_of(Connection& connection, std::string_view text);
/// The same of what `parse_select` made of the text.
std::vector<TableName> tables_of(const nlohmann::json& parsed);

}  // namespace millrace::sql
