#include "app/sql_check.hpp"

#include <algorithm>
#include <iterator>

#include "app/lookups.hpp"
#include "batch/plan.hpp"
#include "batch/reports.hpp"
#include "config/read.hpp"
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

}  // namespace

std::vector<Error> check_sql(const config::Pipeline& pipeline) {
  World world(base::LogFormat::Text, base::Level::Error);
  auto engine = sql::Instance::open({.time_zone = pipeline.timezone});
  if (!engine) return {engine.error()};
  const Lookups lookups(pipeline, **engine, world);
  auto errors = lookups.errors();
  const auto add = [&](const std::vector<Error>& more) {
    std::ranges::copy(more, std::back_inserter(errors));
  };
  const auto plans = flow::plan_tables(pipeline, lookups.by_name(), **engine);
  add(plans.errors);
  // What reads a wrong table cannot be judged.
  if (errors.empty()) {
    batch::TableSchemas tables;
    for (auto& [name, columns] : flow::table_columns(plans)) tables[name] = std::move(columns);
    add(batch::check_jobs(pipeline, tables, **engine));
  }
  std::ranges::stable_sort(errors, {}, line_of);
  return errors;
}

}  // namespace millrace::app
