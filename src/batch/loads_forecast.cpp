#include "batch/loads_forecast.hpp"

#include <algorithm>
#include <set>

#include "batch/load_target.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Result;

// The table's columns once the file runs: those that are there, and those that come.
lake::Schema columns_of(const LoadForecastParts& parts) {
  if (!parts.output) return parts.plan.schema;
  auto columns = parts.output->snapshot()->metadata->schema;
  for (const auto& name : parts.runs.columns.added) {
    columns.push_back(*std::ranges::find(parts.plan.schema, name, &sql::Column::name));
  }
  return columns;
}

// What runs, and what ran and is not loaded.
std::vector<Partition> to_load(const LoadForecastParts& parts, const Ledger& ledger) {
  std::set<Partition> found(parts.runs.anew.begin(), parts.runs.anew.end());
  found.insert(parts.runs.waiting.begin(), parts.runs.waiting.end());
  if (parts.output) {
    const Marks marks(parts.pipeline.name, parts.plan, parts.zone);
    for (const auto& [partition, mark] : load_marks(marks, *parts.output->snapshot())) {
      if (!covers(ledger, partition, mark)) found.insert(partition);
    }
  }
  return {found.begin(), found.end()};
}

}  // namespace

LoadForecast foresee_load(const LoadForecastParts& parts) {
  const auto& job = parts.plan.job;
  LoadForecast forecast{.warehouse = job.load->warehouse, .table = job.load->table};
  const auto target = target_of(parts.pipeline.name, parts.plan, columns_of(parts));
  const auto steps = parts.warehouse.foresee(target, {});
  if (!steps && steps.error().code != Code::Invalid) {
    forecast.unknown = steps.error().text();
    return forecast;
  }
  if (steps) forecast.steps = *steps;
  if (!steps) forecast.refusal = steps.error().text();
  const auto ledger = parts.warehouse.ledger(target, {});
  if (!ledger) {
    forecast.unknown = ledger.error().text();
    return forecast;
  }
  forecast.partitions = to_load(parts, *ledger);
  return forecast;
}

}  // namespace millrace::batch
