#include "flow/alert_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "flow/row_sql.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kAllData = "* EXCLUDE (_shard, _offset, _row, _received_at)";

std::string or_else(const config::SqlText& text, std::string_view otherwise) {
  return text.text.empty() ? std::string(otherwise) : text.text;
}

/// Collects what is wrong with one alert.
class AlertPlanner {
 public:
  AlertPlanner(const config::Alert& alert, sql::Connection& connection)
      : alert_(alert), connection_(connection) {}

  std::vector<Error> check() {
    const auto judge = [&](const config::SqlText& text, auto checker) {
      if (text.text.empty()) return;
      const auto checked = checker(connection_, text.text, alert_.from);
      if (!checked) errors_.push_back(placed(checked.error(), text));
    };
    judge(alert_.when, check_row_expression);
    judge(alert_.group_by, check_row_expression);
    judge(alert_.select, check_row_list);
    return std::move(errors_);
  }

  Result<sql::Statement> prepare() {
    return connection_.prepare(fmt::format(
        "SELECT _shard, _offset, _row, _received_at, CAST(({}\n) AS VARCHAR), {}\n FROM "
        "{} WHERE CAST(({}\n) AS BOOLEAN)",
        or_else(alert_.group_by, "NULL"), or_else(alert_.select, kAllData),
        base::sql_name(alert_.from), or_else(alert_.when, "true")));
  }

 private:
  const config::Alert& alert_;
  sql::Connection& connection_;
  std::vector<Error> errors_;
};

// How each column of the data is written; the first that cannot be is an error.
Result<void> find_data(AlertPlan& plan, const config::Alert& alert) {
  const auto columns = plan.select->columns();
  std::set<std::string> seen;
  for (std::size_t i = kAlertDataColumn; i < columns.size(); ++i) {
    const auto& column = columns[i];
    if (!sql::can_render(column.type)) {
      return placed({Code::Invalid, fmt::format("'{}' is {}, which JSON cannot hold; cast it",
                                                column.name, column.type.text())},
                    alert.select.text.empty() ? config::SqlText{.text = "", .place = alert.place}
                                              : alert.select);
    }
    if (!seen.insert(column.name).second) {
      return placed({Code::Invalid,
                     fmt::format("two columns are named '{}'; rename one with AS", column.name)},
                    alert.select);
    }
    std::string key;
    sql::append_json_string(column.name, key);
    plan.keys.push_back(key + ":");
    plan.renderers.emplace_back(column.type);
  }
  return {};
}

Result<void> connect(AlertPlan& plan, const config::Alert& alert, const std::string& name,
                     sql::Instance& worker, BatchRelations& relations) {
  const auto shard = std::ranges::find(plan.input, kShard, &sql::Column::name);
  CHECK(shard != plan.input.end());
  plan.shard_column = static_cast<std::size_t>(shard - plan.input.begin());
  plan.relation = std::make_shared<BatchRelation>(plan.input);
  relations.add(name, plan.relation);
  plan.connection = std::make_unique<sql::Connection>(TRY(worker.connect()));
  return plan.connection->run(fmt::format("CREATE TEMP VIEW {} AS FROM batch({})",
                                          base::sql_name(alert.from), base::sql_string(name)));
}

}  // namespace

PlannedAlert plan_alert(const config::Alert& alert, const std::vector<sql::Column>& columns,
                        const std::string& name, sql::Instance& worker, BatchRelations& relations) {
  PlannedAlert planned{.plan = {.input = columns}, .errors = {}};
  const auto fail = [&](const Error& error) {
    planned.errors.push_back(error);
    return std::move(planned);
  };
  if (auto ready = connect(planned.plan, alert, name, worker, relations); !ready) {
    return fail(ready.error());
  }
  AlertPlanner planner(alert, *planned.plan.connection);
  planned.errors = planner.check();
  if (!planned.errors.empty()) return planned;
  auto statement = planner.prepare();
  if (!statement) return fail({Code::Invalid, statement.error().message, alert.place.text()});
  planned.plan.select.emplace(std::move(*statement));
  if (auto found = find_data(planned.plan, alert); !found) return fail(found.error());
  return planned;
}

std::vector<Error> check_alerts(const config::Pipeline& pipeline, const Plans& plans,
                                sql::Instance& worker) {
  std::vector<Error> errors;
  for (const auto& alert : pipeline.alerts) {
    const auto columns = plans.columns.find(alert.from);
    if (columns == plans.columns.end()) continue;  // the table's own error was told
    auto planned =
        plan_alert(alert, columns->second, "alert/" + alert.name, worker, *plans.relations);
    errors.insert(errors.end(), planned.errors.begin(), planned.errors.end());
  }
  return errors;
}

}  // namespace millrace::flow
