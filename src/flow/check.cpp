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
  decode::Decoder decoder(
      {.format = source.format, .schema = source.schema, .unknown_fields = source.unknown_fields});
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
  std::map<std::string, std::vector<sql::Column>> outputs;
  for (const auto& table : pipeline.tables) {
    const auto& root = pipeline.root_source(table);
    PlanInput input;
    if (table.from_is_table) {
      const auto parent = outputs.find(table.from);
      if (parent == outputs.end()) continue;
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
    auto plan = plan_table(table, input, worker, *plans.relations);
    if (auto* errors = std::get_if<std::vector<Error>>(&plan)) {
      plans.errors.insert(plans.errors.end(), errors->begin(), errors->end());
      continue;
    }
    outputs[table.name] = std::get<TablePlan>(plan).output;
    plans.tables.push_back(std::move(std::get<TablePlan>(plan)));
  }
  return plans;
}

std::map<std::string, std::vector<sql::Column>> table_columns(const Plans& plans) {
  std::map<std::string, std::vector<sql::Column>> columns;
  for (const auto& plan : plans.tables) columns[plan.table.name] = plan.output;
  return columns;
}

std::string lookup_key_type(const config::Pipeline& pipeline, const std::string& lookup) {
  std::set<std::string> types;
  for (const auto& table : pipeline.tables) {
    if (table.from_is_table) continue;
    const auto& source = pipeline.root_source(table);
    for (const auto& one : table.lookups) {
      if (one.lookup != lookup) continue;
      const auto column = std::ranges::find(source.schema, one.column, &config::Column::name);
      if (column != source.schema.end()) types.insert(config::sql_of(column->type));
    }
  }
  return types.size() == 1 ? *types.begin() : "";
}

}  // namespace millrace::flow
