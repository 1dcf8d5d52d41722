#include "flow/table_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

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

// Where `name` stands in `text` as a whole word; npos if nowhere.
std::size_t find_word(std::string_view text, std::string_view name) {
  const auto is_part = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) ||
                                text[at] == '_' || static_cast<unsigned char>(text[at]) >= 0x80);
  };
  for (std::size_t at = 0; at + name.size() <= text.size(); ++at) {
    if (base::equal_ignoring_case(text.substr(at, name.size()), name) &&
        (at == 0 || !is_part(at - 1)) && !is_part(at + name.size())) {
      return at;
    }
  }
  return std::string_view::npos;
}

// Where the first name that `message` quotes, and that is there, stands in `text`; else 0. What the
// message offers instead is passed over.
std::size_t quoted_at(std::string_view message, std::string_view text) {
  message = message.substr(0, message.find('\n'));
  message = message.substr(0, message.find("; did you mean"));
  for (std::size_t from = message.find_first_of("'\""); from != std::string_view::npos;) {
    const auto to = message.find(message[from], from + 1);
    if (to == std::string_view::npos) break;
    const auto name = message.substr(from + 1, to - from - 1);
    if (const auto at = find_word(text, name); !name.empty() && at != std::string_view::npos) {
      return at;
    }
    from = message.find_first_of("'\"", to + 1);
  }
  return 0;
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

  PlannedTable run() {
    bool has_columns = false;
    if (auto ready = connect(); ready) {
      check_expectations();
      prepare_select();
      if (plan_.select) has_columns = find_columns();
    } else {
      errors_.push_back(ready.error());
    }
    return {std::move(plan_), std::move(errors_), has_columns};
  }

 private:
  const config::Table& table() const { return plan_.table; }

  void fail(const config::Place& place, std::string message) {
    errors_.push_back({Code::Invalid, std::move(message), place.text()});
  }
  void fail_in_sql(std::string message) {
    errors_.push_back(placed({Code::Invalid, std::move(message)}, table().sql));
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

  // False if the columns are none that can be stored.
  bool find_columns() {
    const auto before = errors_.size();
    for (std::size_t i = 0; i < plan_.output.size(); ++i) {
      const auto& column = plan_.output[i];
      if (auto problem = storage_problem(column)) fail_in_sql(*problem);
      if (find_column(plan_.output, column.name) != i) {
        fail_in_sql(fmt::format("two columns are named '{}'; rename one with AS", column.name));
      }
    }
    const bool is_storable = errors_.size() == before;
    plan_.shard_column = find_column(plan_.output, kShard).value_or(0);
    for (const auto& name : table().partition_by) add_partition_column(name);
    if (table().unique) find_unique_columns();
    return is_storable;
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

PlannedTable plan_table(const config::Table& table, const PlanInput& input, sql::Instance& worker,
                        BatchRelations& relations) {
  return Planner(table, input, worker, relations).run();
}

Error placed(const Error& error, const config::SqlText& text) {
  const auto at = sql::position_of(error);
  return {error.code, error.message,
          text.place_of(at ? *at : quoted_at(error.message, text.text)).text()};
}

}  // namespace millrace::flow
