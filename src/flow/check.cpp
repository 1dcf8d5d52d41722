#include "flow/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "decode/decoder.hpp"
#include "flow/row_sql.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;

std::vector<sql::Column> source_columns(const config::Source& source) {
  decode::Decoder decoder({.format = source.format,
                           .schema = source.schema,
                           .unknown_fields = source.unknown_fields,
                           .headers = source.headers,
                           .key_column = source.key_column});
  return decoder.columns();
}

}  // namespace

Plans plan_tables(const config::Pipeline& pipeline,
                  const std::map<std::string, lookup::Lookup*>& lookups, sql::Instance& worker) {
  Plans plans;
  const auto registered = worker.add_table_function(
      "batch",
      [relations = plans.relations](std::string_view name) { return relations->find(name); });
  if (!registered) plans.errors.push_back(registered.error());
  for (const auto& table : pipeline.tables) {
    const auto& root = pipeline.root_source(table);
    PlanInput input;
    if (table.from_is_table) {
      const auto parent = plans.columns.find(table.from);
      if (parent == plans.columns.end()) continue;
      input.columns = parent->second;
    } else {
      input.columns = source_columns(root);
    }
    if (root.event_time) input.event_time = root.event_time->column;
    bool has_lookups = true;
    for (const auto& one : table.lookups) {
      const auto found = lookups.find(one.lookup);
      has_lookups = has_lookups && found != lookups.end();
      if (has_lookups) {
        input.lookups.push_back({one.lookup, found->second->index()->struct_type()});
      }
    }
    if (!has_lookups) continue;  // the lookup's own error was told
    auto planned = plan_table(table, input, worker, *plans.relations);
    plans.errors.insert(plans.errors.end(), planned.errors.begin(), planned.errors.end());
    if (planned.has_columns) plans.columns[table.name] = planned.plan.output;
    if (planned.errors.empty()) plans.tables.push_back(std::move(planned.plan));
  }
  return plans;
}

std::string lookup_key_type(const config::Pipeline& pipeline, const std::string& lookup) {
  std::set<std::string> types;
  for (const auto& table : pipeline.tables) {
    if (table.from_is_table) continue;
    const auto& source = pipeline.root_source(table);
    for (const auto& one : table.lookups) {
      if (one.lookup != lookup) continue;
      const auto columns = source.columns();
      const auto column = std::ranges::find(columns, one.column, &config::Column::name);
      if (column != columns.end()) types.insert(config::sql_of(column->type));
    }
  }
  return types.size() == 1 ? *types.begin() : "";
}

}  // namespace millrace::flow
