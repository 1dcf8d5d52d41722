#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/pipeline.hpp"
#include "flow/table_plan.hpp"
#include "lookup/lookup.hpp"
#include "sql/instance.hpp"

namespace millrace::flow {

/// The plans of all tables of a pipeline, parents first, and the relations that they read.
struct Plans {
  std::shared_ptr<BatchRelations> relations = std::make_shared<BatchRelations>();
  std::vector<TablePlan> tables;  ///< those that are right, in the pipeline's order
  /// Of each table that is right enough for what reads it to be judged, as queries see them.
  std::map<std::string, std::vector<sql::Column>> columns;
  std::vector<base::Error> errors;
};

/// Plans all tables. Registers the table function that the plans read in `worker`: once for each
/// instance.
/// Shape   `errors` holds all that is wrong with their SQL, each with its place in the file. Tables
///         that read a wrong one are left out.
Plans plan_tables(const config::Pipeline& pipeline,
                  const std::map<std::string, lookup::Lookup*>& lookups, sql::Instance& worker);

/// The type, as SQL says it, as which the keys of `lookup` are compared: that of the columns that
/// tables match it by, if they agree.
std::string lookup_key_type(const config::Pipeline& pipeline, const std::string& lookup);

}  // namespace millrace::flow
