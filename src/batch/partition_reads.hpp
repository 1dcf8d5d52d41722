#pragma once

#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

namespace millrace::batch {

/// The tables, in lower case, of which a parsed SELECT reads no rows but those of its partition:
/// wherever it names one, the WHERE of that SELECT demands `column = $column` of it. Then only the
/// files of the partition need be shown to it. Unlike what makes a partition stale this is certain.
std::set<std::string> tables_within(const nlohmann::json& statement, const std::string& column);

}  // namespace millrace::batch
