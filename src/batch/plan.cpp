#include "batch/plan.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <ranges>
#include <set>

#include "base/text.hpp"
#include "batch/distribution.hpp"
#include "batch/job_order.hpp"
#include "batch/job_sql.hpp"
#include "batch/partition.hpp"
#include "batch/reports.hpp"
#include "flow/row_sql.hpp"
#include "flow/storable.hpp"
#include "flow/table_plan.hpp"
#include "lake/snapshot.hpp"
#include "postgres/url.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::Each;

// A partition to prepare statements with.
Partition sample(const config::Job& job) {
  Partition partition;
  partition.each = job.each;
  return partition;
}

std::string bound(const config::Job& job, std::string_view text) {
  if (job.each == Each::None) return std::string(text);
  return with_parameter(text, job.each_column, literal_of(sample(job)));
}

const sql::Column* find_column(const lake::Schema& schema, std::string_view name) {
  const auto found = std::ranges::find_if(
      schema, [&](const auto& column) { return base::equal_ignoring_case(column.name, name); });
  return found == schema.end() ? nullptr : &*found;
}

/// Plans one job; `schemas` are those of all tables that it may read.
class Planner {
 public:
  Planner(const config::Pipeline& pipeline, const config::Job& job, const TableSchemas& schemas,
          sql::Connection& connection, const FunctionNames& varying)
      : pipeline_(pipeline),
        job_(job),
        schemas_(schemas),
        connection_(connection),
        varying_(varying) {
    plan_.job = job;
  }

  JobPlan run(std::vector<Error>& errors) {
    const auto before = errors.size();
    if (auto sql = plan_sql(); !sql) errors.push_back(sql.error());
    if (errors.size() > before) return std::move(plan_);
    if (auto shown = show_columns(connection_, job_.name, plan_.schema); !shown) {
      errors.push_back(shown.error());
    }
    for (const auto& pair : job_.reconcile) {
      for (const auto* side : {&pair.left, &pair.right}) {
        if (auto checked = check_side(*side); !checked) errors.push_back(checked.error());
      }
      plan_.reconcile.emplace_back(without_semicolon(pair.left.text),
                                   without_semicolon(pair.right.text));
    }
    for (const auto& one : job_.expectations) {
      if (auto checked = check_expectation(one); !checked) errors.push_back(checked.error());
    }
    for (auto& input : plan_.inputs) {
      const bool is_wide = wide_.contains(lower_case(input.table));
      input.is_within = input.by == JobInput::By::Partition && !is_wide;
    }
    if (auto divided = check_distribute_by(plan_, schemas_); !divided) {
      errors.push_back(divided.error());
    }
    plan_.is_in_order = plan_.is_in_order || wide_.contains(lower_case(job_.name));
    set_fingerprint();
    return std::move(plan_);
  }

 private:
  Error at_sql(std::string message) const {
    return flow::placed({Code::Invalid, std::move(message)}, job_.sql);
  }

  Result<void> plan_sql() {
    const auto parsed = parse_job_sql(connection_, job_.sql.text, job_, varying_);
    if (!parsed) return flow::placed(parsed.error(), job_.sql);
    if (parsed->tables.empty()) return at_sql("the SQL of a job reads a table at least");
    note_wide(*parsed);
    for (const auto& name : parsed->tables) {
      const auto known = TRY(known_table(name, job_.sql));
      add_view(known);
      add_input(known, !parsed->stays_within);
    }
    reads_all_columns_ = parsed->reads_all_columns;
    for (const auto& name : job_.reads) {
      const bool is_input = std::ranges::any_of(
          plan_.inputs, [&](const JobInput& input) { return input.table == name; });
      if (!is_input && schemas_.contains(name)) add_input(name, true);
    }
    const auto prepared = connection_.prepare(job_.sql.text);
    if (!prepared) return flow::placed(prepared.error(), job_.sql);
    return plan_columns();
  }

  void note_wide(const JobSql& parsed) {
    for (const auto& table : parsed.tables) {
      auto name = lower_case(table.name);
      if (!parsed.within.contains(name)) wide_.insert(std::move(name));
    }
  }

  // The table's name as the pipeline has it: SQL does not mind letter case.
  Result<std::string> known_table(const sql::TableName& table, const config::SqlText& text) const {
    std::vector<std::string> names;
    for (const auto& [name, schema] : schemas_) {
      if (base::equal_ignoring_case(name, table.name)) return name;
      names.push_back(name);
    }
    return Error{Code::Invalid,
                 fmt::format("there is no table '{}'{}; a job reads tables of the pipeline and "
                             "those of other jobs",
                             table.name, base::did_you_mean(table.name, names)),
                 text.place_of(table.at.value_or(0)).text()};
  }

  void add_view(const std::string& name) {
    if (name == job_.name || std::ranges::find(plan_.views, name) != plan_.views.end()) return;
    plan_.views.push_back(name);
  }

  void add_input(const std::string& name, bool is_wide) {
    JobInput input{.table = name};
    input.is_job = pipeline_.job(name) != nullptr;
    input.is_wide = is_wide || std::ranges::find(job_.reads, name) != job_.reads.end();
    if (job_.each != Each::None) find_partitions(input);
    plan_.inputs.push_back(input);
  }

  void find_partitions(JobInput& input) const {
    const auto& schema = schemas_.find(input.table)->second;
    const auto* column = find_column(schema, job_.each_column);
    const auto* table = pipeline_.table(input.table);
    const auto* other = pipeline_.job(input.table);
    const auto wanted = job_.each == Each::Day ? DUCKDB_TYPE_DATE : DUCKDB_TYPE_TIMESTAMP_TZ;
    const bool is_partitioned =
        other ? other->each == job_.each
              : table && std::ranges::find(table->partition_by, job_.each_column) !=
                             table->partition_by.end();
    if (is_partitioned && column && column->type.id() == wanted) {
      input.by = JobInput::By::Partition;
      return;
    }
    if (!table) return;
    const auto& event_time = pipeline_.root_source(*table).event_time;
    const auto* time = event_time ? find_column(schema, event_time->column) : nullptr;
    if (!time || time->type.id() != DUCKDB_TYPE_TIMESTAMP_TZ) return;
    input.by = JobInput::By::Time;
    input.time_column = time->name;
  }

  Result<void> plan_columns() {
    const std::string inner = fmt::format("({}\n)", without_semicolon(job_.sql.text));
    auto statement = connection_.prepare(bound(job_, job_.sql.text));
    if (!statement) return at_sql(statement.error().message);
    std::vector<std::string> widened;
    const auto columns = statement->columns();
    for (const auto& column : columns) {
      if (base::equal_ignoring_case(column.name, job_.each_column)) {
        return at_sql(
            fmt::format("the column '{0}' is added by `each: {0}`; leave it out of the "
                        "SELECT",
                        job_.each_column));
      }
      if (find_column(columns, column.name) != &column) {
        return at_sql(fmt::format("two columns are named '{}'; rename one with AS", column.name));
      }
      if (auto problem = flow::storage_problem(column)) return at_sql(*problem);
      if (column.type.id() != DUCKDB_TYPE_HUGEINT) continue;
      const auto name = base::sql_name(column.name);
      widened.push_back(fmt::format("CAST({} AS DECIMAL(38,0)) AS {}", name, name));
    }
    const std::string replace =
        widened.empty() ? "" : fmt::format(" REPLACE ({})", base::join(widened, ", "));
    const std::string each =
        job_.each == Each::None
            ? ""
            : fmt::format("${} AS {}, ", job_.each_column, base::sql_name(job_.each_column));
    plan_.select = fmt::format("SELECT {}*{} FROM {}", each, replace, inner);
    auto whole = connection_.prepare(bound(job_, plan_.select));
    if (!whole) return at_sql(whole.error().message);
    plan_.schema = whole->columns();
    const auto stored = lake::schema_string(plan_.schema);
    if (!stored) return at_sql(stored.error().message);
    return {};
  }

  Result<void> check_side(const config::SqlText& side) {
    const auto parsed = parse_job_sql(connection_, side.text, job_, varying_);
    if (!parsed) return flow::placed(parsed.error(), side);
    note_wide(*parsed);
    for (const auto& name : parsed->tables) {
      if (base::equal_ignoring_case(name.name, job_.name)) continue;
      add_view(TRY(known_table(name, side)));
    }
    const auto prepared = connection_.prepare(side.text);
    if (!prepared) return flow::placed(prepared.error(), side);
    const auto columns = prepared->columns();
    if (columns.size() != 1) {
      return Error{Code::Invalid,
                   fmt::format("each side of a reconcile gives one value; this has {} columns",
                               columns.size()),
                   side.place.text()};
    }
    const auto whole = connection_.prepare(
        bound(job_, fmt::format("SELECT ({}\n)", without_semicolon(side.text))));
    if (!whole) return Error{Code::Invalid, whole.error().message, side.place.text()};
    return {};
  }

  // SQL of its own, or columns of the result.
  Result<void> check_expectation(const config::ResultCheck& one) {
    using Kind = config::ResultCheck::Kind;
    const auto wrong = [&](const std::string& what) {
      return Error{Code::Invalid, fmt::format("expect {}: {}", one.name, what), one.place.text()};
    };
    if (one.kind == Kind::NoRows) return check_wrong_rows(one.sql);
    if (one.kind == Kind::Drift) {
      plan_.is_in_order = true;
      const auto prepared = connection_.prepare(
          bound(job_, fmt::format("SELECT CAST(({}\n) AS DOUBLE) FROM {} HAVING true", one.sql.text,
                                  base::sql_name(job_.name))));
      return prepared ? Result<void>() : wrong(prepared.error().message);
    }
    for (const auto& name : one.columns) {
      if (const auto* column = find_column(plan_.schema, name)) {
        const auto id = column->type.id();
        const bool is_time = id == DUCKDB_TYPE_DATE || id == DUCKDB_TYPE_TIMESTAMP_TZ;
        if (one.kind != Kind::Fresh || is_time) continue;
        return wrong(fmt::format("'{}' is {}; a date or a timestamptz is needed", name,
                                 column->type.text()));
      }
      std::vector<std::string> known;
      for (const auto& column : plan_.schema) known.push_back(column.name);
      return wrong(fmt::format("the result has no column '{}'{}", base::printable(name),
                               base::did_you_mean(name, known)));
    }
    if (one.kind != Kind::References || !schemas_.contains(one.table)) return {};
    add_view(one.table);
    wide_.insert(lower_case(one.table));
    const auto joined = connection_.prepare(fmt::format(
        "SELECT 1 FROM {} AS t WHERE t.{} = (SELECT {} FROM {})", base::sql_name(one.table),
        base::sql_name(one.key), base::sql_name(one.columns.front()), base::sql_name(job_.name)));
    return joined ? Result<void>() : wrong(joined.error().message);
  }

  Result<void> check_wrong_rows(const config::SqlText& text) {
    const auto parsed = parse_job_sql(connection_, text.text, job_, varying_);
    if (!parsed) return flow::placed(parsed.error(), text);
    note_wide(*parsed);
    for (const auto& name : parsed->tables) {
      if (base::equal_ignoring_case(name.name, job_.name)) continue;
      add_view(TRY(known_table(name, text)));
    }
    const auto prepared = connection_.prepare(text.text);
    return prepared ? Result<void>() : flow::placed(prepared.error(), text);
  }

  void set_fingerprint() {
    std::string all = plan_.select + '\0' + pipeline_.timezone;
    const auto add = [&](const lake::Schema& schema) {
      for (const auto& column : schema) all += '\0' + column.name + ' ' + column.type.text();
    };
    add(plan_.schema);
    for (const auto& input : plan_.inputs) {
      if (reads_all_columns_) add(schemas_.at(input.table));
    }
    plan_.fingerprint = static_cast<std::uint32_t>(XXH3_64bits(all.data(), all.size()));
  }

  const config::Pipeline& pipeline_;
  const config::Job& job_;
  const TableSchemas& schemas_;
  sql::Connection& connection_;
  const FunctionNames& varying_;
  JobPlan plan_;
  bool reads_all_columns_ = false;
  std::set<std::string> wide_;  // tables of which some SQL may read other partitions, in lower case
};

Result<void> plan_in_order(const config::Pipeline& pipeline, sql::Connection& connection,
                           JobPlans& plans) {
  if (pipeline.jobs.empty()) return {};
  for (const auto& [name, schema] : plans.schemas) TRY(show_columns(connection, name, schema));
  const auto reads = reads_of(pipeline, connection);
  const auto order = in_order(pipeline.jobs, reads);
  if (!order) {
    for (const auto& job : pipeline.jobs) plans.gaps.names.push_back(job.name);
    return order.error();
  }
  const auto varying = TRY(flow::varying_functions(connection));
  for (const auto* job : *order) {
    const auto before = plans.errors.size();
    // What is wrong with a table is said once, not again by each job that reads it.
    if (reads_gap(reads.at(job->name), plans.schemas, plans.gaps)) {
      plans.gaps.names.push_back(job->name);
      continue;
    }
    auto plan = Planner(pipeline, *job, plans.schemas, connection, varying).run(plans.errors);
    if (plan.schema.empty()) {
      plans.gaps.names.push_back(job->name);
      continue;
    }
    plans.schemas.emplace(job->name, plan.schema);
    if (plans.errors.size() == before) plans.plans.push_back(std::move(plan));
  }
  return {};
}

}  // namespace

Result<void> show_columns(sql::Connection& connection, const std::string& name,
                          const lake::Schema& schema) {
  lake::Metadata metadata;
  metadata.schema = schema;
  return connection.run(fmt::format("CREATE OR REPLACE TEMP VIEW {} AS {}", base::sql_name(name),
                                    lake::scan_sql({}, metadata, {})));
}

JobPlans plan_jobs(const config::Pipeline& pipeline, const TableSchemas& tables,
                   sql::Instance& engine, const config::Gaps& gaps) {
  JobPlans plans{.plans = {}, .errors = {}, .schemas = tables, .gaps = gaps};
  auto connection = engine.connect();
  if (!connection) {
    plans.errors.push_back(connection.error());
    return plans;
  }
  auto planned = plan_in_order(pipeline, *connection, plans);
  if (!planned) plans.errors.push_back(planned.error());
  return plans;
}

std::vector<Error> check_jobs(const config::Pipeline& pipeline, const TableSchemas& tables,
                              sql::Instance& engine, const config::Gaps& gaps) {
  auto jobs = plan_jobs(pipeline, tables, engine, gaps);
  auto errors = std::move(jobs.errors);
  for (const auto& warehouse : pipeline.warehouses) {
    if (warehouse.url.empty()) continue;
    const auto checked = postgres::check_url(warehouse.url);
    if (checked) continue;
    errors.push_back(
        {Code::Invalid, "url: " + checked.error().message, warehouse.url_place.text()});
  }
  auto more = check_reports(pipeline, jobs.schemas, engine, jobs.gaps);
  errors.insert(errors.end(), more.begin(), more.end());
  return errors;
}

bool reads_gap(const std::vector<std::string>& names, const TableSchemas& known,
               const config::Gaps& gaps) {
  const auto is_same = [](const std::string& name) {
    return [&name](const std::string& other) { return base::equal_ignoring_case(name, other); };
  };
  return std::ranges::any_of(names, [&](const std::string& name) {
    if (std::ranges::any_of(gaps.names, is_same(name))) return true;
    return gaps.has_unnamed && std::ranges::none_of(std::views::keys(known), is_same(name));
  });
}

}  // namespace millrace::batch
