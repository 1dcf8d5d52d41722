#pragma once

#include <optional>
#include <string>

#include "sql/type.hpp"

namespace millrace::flow {

/// Why a table cannot store a column of this type, and the mend; none if it can. HUGEINT is not
/// among them: tables and jobs turn it into DECIMAL(38,0).
std::optional<std::string> storage_problem(const sql::Column& column);

}  // namespace millrace::flow
