#include "batch/row_values.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace millrace::batch {

std::string select_values(const lake::Schema& columns,
                          const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> casts, names, values;
  for (const auto& column : columns) {
    names.push_back(base::sql_name(column.name));
    casts.push_back(fmt::format("CAST({0} AS {1}) AS {0}", names.back(), column.type.text()));
  }
  for (const auto& row : rows) values.push_back(fmt::format("({})", base::join(row, ", ")));
  return fmt::format("SELECT {} FROM (VALUES {}) AS given({})", base::join(casts, ", "),
                     base::join(values, ", "), base::join(names, ", "));
}

}  // namespace millrace::batch
