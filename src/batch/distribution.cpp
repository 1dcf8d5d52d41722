#include "batch/distribution.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::batch {

base::Result<void> check_distribute_by(const JobPlan& plan, const TableSchemas& schemas) {
  const auto& wanted = plan.job.distribute_by;
  if (wanted.empty()) return {};
  std::vector<std::string> known;
  const auto add = [&](const lake::Schema& schema) {
    for (const auto& column : schema) known.push_back(column.name);
  };
  for (const auto& input : plan.inputs) add(schemas.at(input.table));
  add(plan.schema);
  const bool is_known = std::ranges::any_of(
      known, [&](const std::string& name) { return base::equal_ignoring_case(name, wanted); });
  if (is_known) return {};
  return base::Error{base::Code::Invalid,
                     fmt::format("distribute_by: neither a table that the job reads nor its result "
                                 "has the column '{}'{}",
                                 base::printable(wanted), base::did_you_mean(wanted, known)),
                     plan.job.distribute_place.text()};
}

}  // namespace millrace::batch
