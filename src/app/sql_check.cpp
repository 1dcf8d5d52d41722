#include "app/sql_check.hpp"

#include <algorithm>
#include <iterator>

#include "app/lookups.hpp"
#include "app/scratch_folder.hpp"
#include "batch/plan.hpp"
#include "batch/reports.hpp"
#include "config/read.hpp"
#include "flow/alert_plan.hpp"
#include "flow/check.hpp"

namespace millrace::app {
namespace {

using base::Error;

// Line and column that a place ends with, to put errors in the order of the file.
std::pair<int, int> line_of(const Error& error) {
  const auto column = error.place.rfind(':');
  if (column == std::string::npos || column == 0) return {0, 0};
  const auto line = error.place.rfind(':', column - 1);
  if (line == std::string::npos) return {0, 0};
  return {std::atoi(error.place.c_str() + line + 1), std::atoi(error.place.c_str() + column + 1)};
}

std::vector<Error> check(const config::Pipeline& pipeline, config::Gaps gaps) {
  World world(base::LogFormat::Text, base::Level::Error);
  auto engine = sql::Instance::open({.time_zone = pipeline.timezone});
  if (!engine) return {engine.error()};
  const auto scratch = ScratchFolder::make(world.disk, world.random);
  if (!scratch) return {scratch.error()};
  const Lookups lookups(pipeline, **engine, world, scratch->path());
  auto errors = lookups.errors();
  auto plans = flow::plan_tables(pipeline, lookups.by_name(), **engine);
  std::ranges::copy(plans.errors, std::back_inserter(errors));
  std::ranges::copy(flow::check_alerts(pipeline, plans, **engine), std::back_inserter(errors));
  for (const auto& table : pipeline.tables) {
    if (!plans.columns.contains(table.name)) gaps.names.push_back(table.name);
  }
  batch::TableSchemas tables;
  for (auto& [name, columns] : plans.columns) tables[name] = std::move(columns);
  std::ranges::copy(batch::check_jobs(pipeline, tables, **engine, gaps),
                    std::back_inserter(errors));
  std::ranges::stable_sort(errors, {}, line_of);
  return errors;
}

}  // namespace

std::vector<Error> check_sql(const config::Pipeline& pipeline) {
  return check(pipeline, {});
}

std::vector<Error> check_sql(const config::Problems& problems) {
  const auto& sound = problems.sound;
  auto errors = problems.errors;
  if (sound.tables.empty() && sound.jobs.empty() && sound.reports.empty()) return errors;
  std::ranges::copy(check(sound, problems.gaps), std::back_inserter(errors));
  std::ranges::stable_sort(errors, {}, line_of);
  return errors;
}

}  // namespace millrace::app
