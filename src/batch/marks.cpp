#include "batch/marks.hpp"

#include <fmt/format.h>

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kSqlEnd = "/sql";
constexpr std::string_view kAll = "all";
constexpr int kRunShift = 32;

}  // namespace

Marks::Marks(std::string pipeline, const JobPlan& plan, const config::TimeZone& zone)
    : pipeline_(std::move(pipeline)), plan_(plan), zone_(zone) {}

std::string Marks::prefix(const Partition& partition) const {
  const auto value = value_of(partition);
  return fmt::format("millrace/{}/{}/{}", pipeline_, plan_.job.name, value.empty() ? kAll : value);
}

std::string Marks::sql_mark(const Partition& partition) const {
  return prefix(partition) + std::string(kSqlEnd);
}

std::string Marks::input_mark(const Partition& partition, const std::string& input,
                              const lake::Snapshot& snapshot) const {
  return fmt::format("{}/{}@{}", prefix(partition), input, snapshot.metadata->id.substr(0, 8));
}

bool Marks::has_same_sql(const lake::Snapshot& output, const Partition& partition) const {
  const auto mark = output.transaction(sql_mark(partition));
  return mark && static_cast<std::uint32_t>(*mark) == plan_.fingerprint;
}

std::vector<Partition> Marks::partitions(const lake::Snapshot& output) const {
  std::vector<Partition> found;
  const auto start = fmt::format("millrace/{}/{}/", pipeline_, plan_.job.name);
  for (auto at = output.transactions.lower_bound(start);
       at != output.transactions.end() && at->first.starts_with(start); ++at) {
    std::string_view value = std::string_view(at->first).substr(start.size());
    if (!value.ends_with(kSqlEnd)) continue;
    value.remove_suffix(kSqlEnd.size());
    if (plan_.job.each == config::Each::None) {
      if (value == kAll) found.emplace_back();
    } else if (const auto partition = partition_from_value(plan_.job.each, value, zone_)) {
      found.push_back(*partition);
    }
  }
  return found;
}

Result<std::vector<lake::Transaction::Position>> Marks::after_run(
    const lake::Snapshot& output, const Partition& partition,
    const std::map<std::string, std::shared_ptr<const lake::Snapshot>>& read) const {
  std::vector<lake::Transaction::Position> positions;
  for (const auto& input : plan_.inputs) {
    const auto& snapshot = *read.at(input.table);
    const auto id = input_mark(partition, input.table, snapshot);
    const auto before = output.transaction(id);
    const auto next = snapshot.version.value();
    if (before && *before > next) {
      return Error{Code::Corrupt,
                   fmt::format("table '{}' stands at version {}, and version {} of it was read "
                               "before: it was put back to an older state; give it a new name",
                               input.table, next, *before)};
    }
    positions.push_back({id, before, next});
  }
  const auto id = sql_mark(partition);
  const auto before = output.transaction(id);
  const auto runs = before ? *before >> kRunShift : 0;
  positions.push_back({id, before, ((runs + 1) << kRunShift) | plan_.fingerprint});
  return positions;
}

}  // namespace millrace::batch
