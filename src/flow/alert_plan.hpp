#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/pipeline.hpp"
#include "flow/check.hpp"
#include "flow/rows_run.hpp"
#include "sql/render.hpp"

namespace millrace::flow {

/// The SQL of an alert, ready to run over rows of its table.
/// Threads: one at a time (the connection and the relation are its own).
struct AlertPlan {
  std::vector<sql::Column> input;  ///< the table's columns
  std::size_t shard_column = 0;    ///< in `input`; offset, row and received_at follow it
  std::unique_ptr<sql::Connection> connection;
  std::shared_ptr<BatchRelation> relation;
  std::optional<sql::Statement> select;  ///< position columns, the group, and then the data
  std::vector<std::string> keys;         ///< of the data, as JSON: `"name":`
  std::vector<sql::Renderer> renderers;  ///< of the data
};

/// The first column of the data in `AlertPlan::select`.
inline constexpr std::size_t kAlertDataColumn = 5;

struct PlannedAlert {
  AlertPlan plan;                   ///< can run if there are no errors
  std::vector<base::Error> errors;  ///< each with its place in the file
};

/// Prepares `alert` over rows of a table with `columns`. The relation is known to `relations` as
/// `name`; `worker` must have the table function `batch` over them.
PlannedAlert plan_alert(const config::Alert& alert, const std::vector<sql::Column>& columns,
                        const std::string& name, sql::Instance& worker, BatchRelations& relations);

/// All that is wrong with the SQL of the alerts of a pipeline whose tables were planned.
std::vector<base::Error> check_alerts(const config::Pipeline& pipeline, const Plans& plans,
                                      sql::Instance& worker);

}  // namespace millrace::flow
