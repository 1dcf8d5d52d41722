#pragma once

#include <string>
#include <vector>

#include "lake/schema.hpp"

namespace millrace::batch {

/// The SELECT that gives rows of these columns. `rows`, at least one, are lists of SQL values in
/// the order of the columns.
std::string select_values(const lake::Schema& columns,
                          const std::vector<std::vector<std::string>>& rows);

}  // namespace millrace::batch
