#pragma once

#include <string_view>

#include "base/result.hpp"

namespace millrace::postgres {

/// What an error of the server asks of the caller, by its SQLSTATE (five characters).
/// Source  PostgreSQL, appendix "PostgreSQL Error Codes".
base::Code code_of(std::string_view sql_state);

}  // namespace millrace::postgres
