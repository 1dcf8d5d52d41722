#include "flow/query.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

// The table function by which a query reads hot rows: `hot('<ticket>/<table>')`.
constexpr std::string_view kHot = "hot";
// now() is the same in all statements of a transaction.
constexpr std::string_view kBegin = "BEGIN TRANSACTION";
// Of fewer files, choosing takes as long as looking at them.
constexpr std::size_t kFilesToChooseFrom = 16;

std::string view_sql(const std::string& name, const std::string& select) {
  return fmt::format("CREATE OR REPLACE TEMP VIEW {} AS {}", base::sql_name(name), select);
}

bool has_rows(const TableCut& table) {
  return std::ranges::any_of(table.hot, [](const auto& chunks) { return !chunks->empty(); });
}

std::shared_ptr<const Chunks> all_chunks(const TableCut& table) {
  auto all = std::make_shared<Chunks>();
  for (const auto& chunks : table.hot) all->insert(all->end(), chunks->begin(), chunks->end());
  return all;
}

// The columns of the table, out of hot rows that may lack those which another worker added.
std::string columns_sql(const lake::Schema& schema, const std::vector<sql::Column>& hot) {
  std::vector<std::string> names;
  for (const auto& column : schema) {
    const auto name = base::sql_name(column.name);
    const bool is_there = std::ranges::find(hot, column.name, &sql::Column::name) != hot.end();
    names.push_back(is_there ? name
                             : fmt::format("CAST(NULL AS {}) AS {}", column.type.text(), name));
  }
  return base::join(names, ", ");
}

std::string hot_sql(const std::string& ticket, const std::string& table) {
  return fmt::format("{}('{}/{}')", kHot, ticket, table);
}

// DuckDB guesses among all that it knows; people mean one of the tables.
Error about_our_tables(Error error, const std::vector<std::string>& tables) {
  constexpr std::string_view kBefore = "Table with name ", kAfter = " does not exist!";
  const auto end = error.message.find(kAfter);
  if (!error.message.starts_with(kBefore) || end == std::string::npos) return error;
  const std::string name = error.message.substr(kBefore.size(), end - kBefore.size());
  const std::string near = base::did_you_mean(name, tables);
  error.message = fmt::format("no table is named '{}'{}", name,
                              near.empty() ? "; there are " + base::join(tables, ", ") : near);
  return error;
}

}  // namespace

Result<void> define_views(sql::Connection& connection,
                          const std::map<std::string, TableCut>& tables) {
  for (const auto& [name, table] : tables) {
    TRY(connection.run(view_sql(name, lake::scan_sql(table.root, *table.snapshot))));
  }
  return {};
}

Query::~Query() {
  // The rows hold chunks of the cut; they go before the cut does.
  rows_.reset();
  statement_.reset();
  connection_.reset();
  engine_.forget(ticket_);
}

Result<void> Query::execute() {
  rows_.emplace(TRY(statement_->execute(sql::Fetch::Streamed)));
  return {};
}

Result<std::unique_ptr<QueryEngine>> QueryEngine::open(const QueryEngineOptions& options,
                                                       const CutBoard& board) {
  std::unique_ptr<QueryEngine> engine(new QueryEngine(options, board));
  engine->instance_ = TRY(sql::Instance::open({.threads = options.threads,
                                               .memory_bytes_max = options.memory_bytes_max,
                                               .scratch = options.scratch,
                                               .time_zone = options.time_zone,
                                               .readable = options.readable,
                                               .httpfs = options.httpfs,
                                               .ca_file = options.ca_file,
                                               .is_locked = true}));
  TRY(engine->instance_->add_table_function(
      std::string(kHot), [raw = engine.get()](auto argument) { return raw->find_hot(argument); }));
  return engine;
}

Result<std::shared_ptr<sql::ScanTable>> QueryEngine::find_hot(std::string_view argument) {
  const auto slash = argument.find('/');
  std::lock_guard lock(mutex_);
  const auto cut = cuts_.find(argument.substr(0, slash));
  if (slash == argument.npos || cut == cuts_.end()) {
    return Error{Code::Invalid, "hot() is not for queries; name the table itself"};
  }
  const auto table = cut->second->tables.find(argument.substr(slash + 1));
  if (table == cut->second->tables.end()) return Error{Code::Invalid, "no such table"};
  return std::shared_ptr<sql::ScanTable>(
      std::make_shared<ChunksTable>(table->second.hot_columns, all_chunks(table->second)));
}

void QueryEngine::forget(const std::string& ticket) {
  std::lock_guard lock(mutex_);
  cuts_.erase(ticket);
}

Result<void> QueryEngine::show_tables(Query& query, std::string_view sql,
                                      const Parameters& parameters, const Cut& cut) {
  const auto reads = TRY(reads_of(*query.connection_, sql, cut));
  // DuckDB would look at each file of a table before it leaves out those of other partitions.
  std::map<std::string, lake::Files> chosen;
  for (const auto& slice : reads.slices) {
    const auto& table = cut.tables.find(slice.table)->second;
    if (table.snapshot->files.size() < kFilesToChooseFrom) continue;
    auto rows = rows_of(*query.connection_, slice, table, parameters, "");
    if (!rows) {
      // The statement itself says better what is wrong; but not in a transaction that has failed.
      chosen.clear();
      TRY(query.connection_->run("ROLLBACK"));
      TRY(query.connection_->run(kBegin));
      break;
    }
    chosen.emplace(slice.table, std::move(rows->files));
  }
  for (const auto& name : reads.tables) {
    const auto table = cut.tables.find(name);
    if (table == cut.tables.end()) continue;  // DuckDB says so, with the place
    const auto files = chosen.find(name);
    TRY(show_table(query, name, table->second,
                   files == chosen.end() ? std::nullopt : std::optional(files->second)));
  }
  return {};
}

Result<void> QueryEngine::show_table(Query& query, const std::string& name, const TableCut& table,
                                     const std::optional<lake::Files>& files) {
  const auto& schema = table.snapshot->metadata->schema;
  std::vector<std::string> selects{
      lake::scan_sql(options_.cache, table.root, *table.snapshot, files, query.pins_)};
  if (has_rows(table)) {
    selects.push_back(fmt::format("SELECT {} FROM {}", columns_sql(schema, table.hot_columns),
                                  hot_sql(query.ticket_, name)));
  }
  TRY(query.connection_->run(view_sql(name, lake::union_sql(schema, selects))));
  query.versions_.emplace(name, table.snapshot->version);
  query.editions_.emplace(name, table.edition);
  return {};
}

Result<std::unique_ptr<Query>> QueryEngine::open_query(std::shared_ptr<const Cut> cut) {
  std::string ticket;
  {
    std::lock_guard lock(mutex_);
    if (cuts_.size() >= options_.queries_max) {
      return Error{Code::Exhausted,
                   fmt::format("{} queries are running already; try again", options_.queries_max)};
    }
    ticket = std::to_string(ticket_next_++);
    cuts_.emplace(ticket, std::move(cut));
  }
  std::unique_ptr<Query> query(new Query(*this, ticket));
  query->connection_ = std::make_unique<sql::Connection>(TRY(instance_->connect()));
  TRY(query->connection_->run(kBegin));
  return query;
}

Result<std::unique_ptr<Query>> QueryEngine::prepare_unbound(std::string_view sql,
                                                            const Parameters& parameters,
                                                            const Seen* seen) {
  const auto cut = seen ? seen->cut : board_.cut();
  auto query = TRY(open_query(cut));
  if (seen) {
    TRY(show_table(*query, seen->table, cut->tables.find(seen->table)->second, seen->files));
  } else {
    TRY(show_tables(*query, sql, parameters, *cut));
  }
  auto statement = query->connection_->prepare(sql);
  if (!statement) return about_our_tables(statement.error(), board_.table_names());
  query->statement_.emplace(std::move(statement).value());
  if (query->statement_->kind() == sql::StatementKind::Other) {
    return Error{Code::Invalid, "only SELECT is allowed here"};
  }
  return query;
}

Result<std::unique_ptr<Query>> QueryEngine::start(std::string_view sql,
                                                  const Parameters& parameters) {
  auto query = TRY(prepare(sql, parameters));
  TRY(query->execute());
  return query;
}

Result<std::unique_ptr<Query>> QueryEngine::prepare(std::string_view sql,
                                                    const Parameters& parameters,
                                                    const Seen* seen) {
  auto query = TRY(prepare_unbound(sql, parameters, seen));
  const auto names = query->statement_->parameter_names();
  for (const auto& [name, value] : parameters) {
    if (std::ranges::find(names, name) == names.end()) {
      return Error{Code::Invalid, fmt::format("the SQL has no parameter '${}'{}", name,
                                              base::did_you_mean(name, names))};
    }
    TRY(query->statement_->bind(name, value));
  }
  for (const auto& name : names) {
    if (!parameters.contains(name)) {
      return Error{Code::Invalid, fmt::format("the parameter '${}' has no value", name)};
    }
  }
  return query;
}

Result<Seen> QueryEngine::look(const Slice& slice, const Parameters& parameters,
                               std::shared_ptr<const Cut> cut) {
  const auto found = cut->tables.find(slice.table);
  if (found == cut->tables.end()) return Error{Code::NotFound, "no such table"};
  const auto& table = found->second;
  const auto query = TRY(open_query(cut));
  auto rows = TRY(rows_of(*query->connection_, slice, table, parameters,
                          has_rows(table) ? hot_sql(query->ticket_, slice.table) : std::string()));
  std::uint64_t paths = 0;
  for (const auto& file : rows.files) paths += std::hash<std::string>()(file->path);
  std::string mark = fmt::format("{}/{}/{}", rows.hot, rows.files.size(), paths);
  // A new column is in the answers of `*`.
  for (const auto& column : table.snapshot->metadata->schema) mark += "/" + column.name;
  return Seen{std::move(cut), slice.table, std::move(rows.files), std::move(mark)};
}

Result<std::vector<sql::Column>> QueryEngine::describe(std::string_view sql) {
  auto query = TRY(prepare_unbound(sql, {}, nullptr));
  return query->statement_->columns();
}

}  // namespace millrace::flow
