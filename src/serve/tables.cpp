#include "serve/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"
#include "lake/rewrite.hpp"
#include "serve/answer.hpp"
#include "serve/events.hpp"
#include "serve/request.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr std::int64_t kHistoryDefault = 20;
constexpr std::int64_t kHistoryMax = 1000;
constexpr Bounds kTargetBytes{std::int64_t{1} << 20, std::int64_t{4} << 30};

base::Time time_of(std::int64_t milliseconds) {
  return base::Time(std::chrono::milliseconds(milliseconds));
}

Json columns_json(const lake::Schema& schema) {
  Json columns = Json::array();
  for (const auto& column : schema) {
    columns.push_back({{"name", column.name}, {"type", column.type.text()}});
  }
  return columns;
}

Json positions_json(const flow::TableStatus& status) {
  Json positions = Json::array();
  for (const auto& position : status.positions) {
    positions.push_back(
        {{"shard", position.shard.value()},
         {"app_id", position.app_id},
         {"next", position.next},
         {"committed", position.committed ? Json(*position.committed) : Json(nullptr)}});
    if (!status.is_shared) continue;
    auto& shared = positions.back();
    shared["is_own"] = position.is_ours;
    shared["until"] = position.until ? Json(base::format_time(*position.until)) : Json(nullptr);
  }
  return positions;
}

// `status` is null for tables that no stream writes: jobs' output, `_rejects`, `_runs`.
Json table_json(const std::string& name, const lake::Snapshot& snapshot,
                const flow::TableStatus* status) {
  const auto rows = snapshot.record_count();
  Json table{{"name", name},
             {"version", snapshot.version.value()},
             {"rows", rows < 0 ? Json(nullptr) : Json(rows)},
             {"bytes", snapshot.bytes()},
             {"files", snapshot.files.size()},
             {"partition_columns", snapshot.metadata->partition_columns},
             {"columns", columns_json(snapshot.metadata->schema)},
             {"last_commit_at", base::format_time(time_of(snapshot.timestamp_ms))}};
  if (!status) return table;
  table["source"] = status->source;
  table["hot_rows"] = status->hot_rows;
  table["hot_bytes"] = status->hot_bytes;
  table["lag_records"] = status->lag_records;
  table["positions"] = positions_json(*status);
  table["halted"] = text_or_null(status->halted);
  table["error"] = text_or_null(status->error);
  table["source_error"] = text_or_null(status->source_error);
  return table;
}

// How many records, rows, … a commit of a stream was about; null for commits of another kind.
Json counts_of(const std::string& extra) {
  const Json details = Json::parse(extra, nullptr, false);
  return details.is_object() ? details.value("counts", Json()) : Json();
}

}  // namespace

void Tables::add_to(Routes& routes, const Pools& pools) {
  const auto call = [this](auto member) {
    return [this, member](const http::Request& request) { return (this->*member)(request); };
  };
  routes.get("/v1/tables", pools.quick, call(&Tables::list));
  routes.get("/v1/tables/{table}", pools.quick, call(&Tables::show));
  routes.get("/v1/tables/{table}/history", pools.quick, call(&Tables::history));
  routes.post("/v1/tables/{table}/compact", pools.operations, call(&Tables::compact));
  routes.post("/v1/tables/{table}/vacuum", pools.operations, call(&Tables::vacuum));
}

Result<lake::Table*> Tables::table_of(const http::Request& request) const {
  const std::string& name = request.path_parameter("table");
  if (lake::Table* table = parts_.board.table(name)) return table;
  return Error{Code::NotFound, fmt::format("no table is named '{}'{}", base::printable(name),
                                           base::did_you_mean(name, parts_.board.table_names()))};
}

Result<http::Response> Tables::list(const http::Request& request) const {
  TRY(check_query(request, {}));
  const auto statuses = parts_.table_status();
  Json tables = Json::array();
  for (const auto& name : parts_.board.table_names()) {
    const lake::Table* table = parts_.board.table(name);
    const auto status = std::ranges::find(statuses, name, &flow::TableStatus::name);
    tables.push_back(
        table_json(name, *table->snapshot(), status == statuses.end() ? nullptr : &*status));
  }
  return json_answer({{"tables", std::move(tables)}});
}

Result<http::Response> Tables::show(const http::Request& request) const {
  TRY(check_query(request, {}));
  const lake::Table* table = TRY(table_of(request));
  const std::string& name = request.path_parameter("table");
  const auto statuses = parts_.table_status();
  const auto status = std::ranges::find(statuses, name, &flow::TableStatus::name);
  return json_answer(
      table_json(name, *table->snapshot(), status == statuses.end() ? nullptr : &*status));
}

Result<http::Response> Tables::history(const http::Request& request) const {
  TRY(check_query(request, std::vector<std::string>{"limit"}));
  const auto limit = TRY(query_integer(request, "limit", {1, kHistoryMax}));
  const lake::Table* table = TRY(table_of(request));
  Json commits = Json::array();
  const auto count = static_cast<std::size_t>(limit.value_or(kHistoryDefault));
  for (const auto& commit : TRY(table->history(count))) {
    commits.push_back({{"version", commit.version},
                       {"at", base::format_time(time_of(commit.timestamp_ms))},
                       {"operation", commit.operation},
                       {"parameters", commit.parameters},
                       {"counts", counts_of(commit.extra)}});
  }
  return json_answer({{"history", std::move(commits)}});
}

Result<http::Response> Tables::compact(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"target_bytes"}));
  lake::CompactOptions options;
  if (const auto bytes = TRY(body.integer("target_bytes", kTargetBytes))) {
    options.target_bytes = *bytes;
  }
  lake::Table* table = TRY(table_of(request));
  // Not by the table's own engine: that is the stream's.
  auto connection = TRY(parts_.maintenance.connect());
  options.connection = &connection;
  const auto done = TRY(lake::compact(*table, options));
  parts_.board.publish();
  events::table_compacted(parts_.telemetry, request.path_parameter("table"), done.files_before,
                          done.files_after);
  return json_answer({{"table", request.path_parameter("table")},
                      {"files_before", done.files_before},
                      {"files_after", done.files_after},
                      {"bytes", done.bytes},
                      {"partitions_given_up", done.partitions_given_up},
                      {"version", table->snapshot()->version.value()}});
}

Result<http::Response> Tables::vacuum(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"retention", "dry_run"}));
  lake::VacuumOptions options;
  if (const auto retention = TRY(body.duration("retention"))) options.retention = *retention;
  options.is_dry_run = TRY(body.boolean("dry_run")).value_or(false);
  // A query that runs still reads files that a newer version no longer names.
  if (options.retention < parts_.options.vacuum_retention_min) {
    return Error{Code::Invalid,
                 fmt::format("'retention' is {}; it must be at least {}, or running queries lose "
                             "files that they read",
                             base::format_duration(options.retention),
                             base::format_duration(parts_.options.vacuum_retention_min))};
  }
  lake::Table* table = TRY(table_of(request));
  const auto done = TRY(lake::vacuum(*table, options));
  if (!options.is_dry_run) {
    events::table_vacuumed(parts_.telemetry, request.path_parameter("table"), done.paths.size(),
                           done.bytes);
  }
  return json_answer({{"table", request.path_parameter("table")},
                      {"dry_run", options.is_dry_run},
                      {"files", done.paths.size()},
                      {"bytes", done.bytes},
                      {"paths", done.paths}});
}

}  // namespace millrace::serve
