#include "flow/table_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "flow/row_sql.hpp"
#include "flow/storable.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

std::optional<std::size_t> find_column(const std::vector<sql::Column>& columns,
                                       std::string_view name) {
  const auto found = std::ranges::find_if(
      columns, [&](const auto& column) { return base::equal_ignoring_case(column.name, name); });
  if (found == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns.begin());
}

std::vector<std::string> names_of(const std::vector<sql::Column>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  return names;
}

/// Collects what is wrong with one table.
class Planner {
 public:
  Planner(const config::Table& table, const PlanInput& input, sql::Instance& worker,
          BatchRelations& relations)
      : worker_(worker), relations_(relations), input_(input) {
    plan_.table = table;
    plan_.input = input.columns;
  }

  std::variant<TablePlan, std::vector<Error>> run() {
    if (auto ready = connect(); !ready) return std::vector{ready.error()};
    check_expectations();
    prepare_select();
    if (errors_.empty()) find_columns();
    if (!errors_.empty()) return std::move(errors_);
    return std::move(plan_);
  }

 private:
  const config::Table& table() const { return plan_.table; }

  void fail(const config::Place& place, std::string message) {
    errors_.push_back({Code::Invalid, std::move(message), place.text()});
  }

  Result<void> connect() {
    std::vector<sql::Column> columns = input_.columns;
    for (const auto& lookup : input_.lookups) columns.push_back({lookup.name, lookup.type});
    for (const auto& lookup : table().lookups) {
      const auto column = find_column(input_.columns, lookup.column);
      if (!column) {
        return Error{
            Code::Invalid,
            fmt::format("'{}' has no column '{}' to look up{}", table().from, lookup.column,
                        base::did_you_mean(lookup.column, names_of(input_.columns))),
            lookup.place.text()};
      }
      plan_.key_columns.push_back(*column);
    }
    plan_.input_shard_column = find_column(input_.columns, kShard).value_or(0);
    plan_.relation = std::make_shared<BatchRelation>(std::move(columns));
    relations_.add(table().name, plan_.relation);
    plan_.connection = std::make_unique<sql::Connection>(TRY(worker_.connect()));
    return plan_.connection->run(fmt::format("CREATE TEMP VIEW {} AS FROM batch({})",
                                             base::sql_name(table().from),
                                             base::sql_string(table().name)));
  }

  void check_expectations() {
    std::vector<std::string> parts;
    for (const auto& expectation : table().expectations) {
      auto checked = check_row_expression(*plan_.connection, expectation.check.text, table().from);
      if (!checked) errors_.push_back(placed(checked.error(), expectation.check));
      parts.push_back(fmt::format("CAST(({}\n) AS BOOLEAN)", expectation.check.text));
    }
    if (parts.empty() || !errors_.empty()) return;
    auto statement = plan_.connection->prepare(
        fmt::format("SELECT {} FROM {}", base::join(parts, ", "), base::sql_name(table().from)));
    if (!statement) {
      fail(table().place, "the expectations cannot run: " + statement.error().message);
      return;
    }
    plan_.checks.emplace(std::move(*statement));
  }

  void prepare_select() {
    auto compiled = compile_row_sql(*plan_.connection, table().sql.text, table().from);
    if (!compiled) {
      errors_.push_back(placed(compiled.error(), table().sql));
      return;
    }
    auto statement = plan_.connection->prepare(widened(*compiled));
    if (!statement) {
      errors_.push_back(placed(statement.error(), table().sql));
      return;
    }
    plan_.select.emplace(std::move(*statement));
    plan_.output = plan_.select->columns();
  }

  // A HUGEINT has no home in a table; DECIMAL(38,0) holds it, and what does not fit is an error.
  std::string widened(const std::string& compiled) {
    auto statement = plan_.connection->prepare(compiled);
    if (!statement) return compiled;
    std::vector<std::string> casts;
    for (const auto& column : statement->columns()) {
      if (column.type.id() != DUCKDB_TYPE_HUGEINT) continue;
      const auto name = base::sql_name(column.name);
      casts.push_back(fmt::format("CAST({} AS DECIMAL(38,0)) AS {}", name, name));
    }
    if (casts.empty()) return compiled;
    return fmt::format("SELECT * REPLACE ({}) FROM ({})", base::join(casts, ", "), compiled);
  }

  void find_columns() {
    const auto& place = table().sql.place;
    for (std::size_t i = 0; i < plan_.output.size(); ++i) {
      const auto& column = plan_.output[i];
      if (auto problem = storage_problem(column)) fail(place, *problem);
      if (find_column(plan_.output, column.name) != i) {
        fail(place, fmt::format("two columns are named '{}'; rename one with AS", column.name));
      }
    }
    plan_.shard_column = find_column(plan_.output, kShard).value_or(0);
    for (const auto& name : table().partition_by) add_partition_column(name);
    if (table().unique) find_unique_columns();
  }

  void add_partition_column(const std::string& name) {
    const auto column = find_column(plan_.output, name);
    if (!column) {
      fail(table().place, fmt::format("partition_by: the SQL gives no column '{}'{}", name,
                                      base::did_you_mean(name, names_of(plan_.output))));
      return;
    }
    const auto id = plan_.output[*column].type.id();
    if (id != DUCKDB_TYPE_DATE && id != DUCKDB_TYPE_VARCHAR && id != DUCKDB_TYPE_INTEGER &&
        id != DUCKDB_TYPE_TIMESTAMP_TZ) {
      fail(table().place,
           fmt::format("partition_by: '{}' is {}; a DATE, a TIMESTAMPTZ, a VARCHAR or an INTEGER "
                       "is expected",
                       name, plan_.output[*column].type.text()));
    }
    plan_.partition_columns.push_back(*column);
  }

  void find_unique_columns() {
    const auto& unique = *table().unique;
    plan_.unique_column = unchanged_column(unique.key, "unique: the key", unique.place);
    if (input_.event_time) {
      plan_.event_time_column =
          unchanged_column(*input_.event_time, "unique: the event time", unique.place);
    }
  }

  // The set of seen keys is rebuilt from the table, so what it is made of must be in the table.
  std::optional<std::size_t> unchanged_column(const std::string& name, std::string_view what,
                                              const config::Place& place) {
    const auto in = find_column(input_.columns, name);
    const auto out = find_column(plan_.output, name);
    if (!in) {
      fail(place, fmt::format("{} '{}' is no column of '{}'{}", what, name, table().from,
                              base::did_you_mean(name, names_of(input_.columns))));
    } else if (!out || !(plan_.output[*out].type == input_.columns[*in].type)) {
      fail(place,
           fmt::format("{} '{}' must pass through the SQL unchanged, so that it can be read back "
                       "from the table; add it to the SELECT",
                       what, name));
    }
    return out;
  }

  sql::Instance& worker_;
  BatchRelations& relations_;
  const PlanInput& input_;
  TablePlan plan_;
  std::vector<Error> errors_;
};

}  // namespace

Result<std::shared_ptr<sql::ScanTable>> BatchRelations::find(std::string_view name) const {
  const auto found = relations_.find(name);
  if (found == relations_.end()) {
    return Error{Code::NotFound, fmt::format("there is no micro-batch '{}'", name)};
  }
  return std::shared_ptr<sql::ScanTable>(found->second);
}

std::variant<TablePlan, std::vector<Error>> plan_table(const config::Table& table,
                                                       const PlanInput& input,
                                                       sql::Instance& worker,
                                                       BatchRelations& relations) {
  return Planner(table, input, worker, relations).run();
}

Error placed(const Error& error, const config::SqlText& text) {
  const auto at = sql::position_of(error).value_or(0);
  return {error.code, error.message, text.place_of(at).text()};
}

}  // namespace millrace::flow
