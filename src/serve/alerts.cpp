#include "serve/alerts.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "flow/alert_history.hpp"
#include "serve/answer.hpp"
#include "serve/request.hpp"
#include "serve/rows_writer.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr std::int64_t kLimitDefault = 100;
constexpr std::int64_t kLimitMax = 10'000;
constexpr std::size_t kIdsMax = 1'000;
constexpr std::int64_t kRetriesMax = 1'000;

// The columns that make an object, in their order; behind them comes `data`, which is JSON itself.
const std::vector<sql::Column>& shown_columns() {
  const sql::Type text(DUCKDB_TYPE_VARCHAR), time(DUCKDB_TYPE_TIMESTAMP_TZ);
  const sql::Type integer(DUCKDB_TYPE_INTEGER);
  static const std::vector<sql::Column> kColumns{
      {"id", text},          {"alert", text},       {"target", text},
      {"table", text},       {"outcome", text},     {"group", text},
      {"message_id", text},  {"attempts", integer}, {"error", text},
      {"received_at", time}, {"settled_at", time},  {"source", text},
      {"incarnation", text}, {"shard", integer},    {"offset", sql::Type(DUCKDB_TYPE_BIGINT)},
      {"row", integer},
  };
  return kColumns;
}

constexpr std::string_view kSelect =
    R"(SELECT id, alert, target, "table", outcome, "group", message_id, attempts, error,
              _received_at, settled_at, source, incarnation, _shard, _offset, _row, data
       FROM _alerts)";

Json delivery_json(const flow::DeliveryStatus& status) {
  Json json{{"alert", status.name.alert},
            {"target", status.name.target},
            {"table", status.name.table},
            {"queued_messages", status.queued},
            {"behind_records", status.behind},
            {"sent", status.sent},
            {"dead", status.dead},
            {"suppressed", status.suppressed},
            {"retries", status.retries}};
  json["last_sent_at"] = status.sent_at ? Json(base::format_time(*status.sent_at)) : Json(nullptr);
  json["error"] = text_or_null(status.error);
  return json;
}

}  // namespace

void Alerts::add_to(Routes& routes, const Pools& pools) {
  const auto call = [this](auto member) {
    return [this, member](const http::Request& request) { return (this->*member)(request); };
  };
  routes.get("/v1/alerts", pools.queries, call(&Alerts::list));
  routes.get("/v1/alerts/{id}", pools.queries, call(&Alerts::show));
  routes.post("/v1/alerts/retry", pools.operations, call(&Alerts::retry));
}

Result<void> Alerts::append_rows(const std::string& where, const flow::Parameters& parameters,
                                 std::int64_t limit, std::string& out) const {
  if (parts_.board.table(flow::kAlertsTable) == nullptr) return {};  // the file has no alerts
  const RowObjects objects(shown_columns());
  const auto data = shown_columns().size();
  return queries_.each_row(
      fmt::format("{} WHERE {} ORDER BY settled_at DESC, _shard, _offset DESC, _row DESC LIMIT {}",
                  kSelect, where, limit),
      parameters, [&](const sql::Chunk& chunk, std::size_t row) {
        if (out.back() != '[') out += ',';
        objects.append(chunk, row, out);
        out.pop_back();
        out += R"(,"data":)";
        out += chunk.column(data).text(row);
        out += '}';
      });
}

Result<http::Response> Alerts::list(const http::Request& request) const {
  TRY(check_query(request,
                  std::vector<std::string>{"alert", "target", "outcome", "since", "limit"}));
  const auto limit = TRY(query_integer(request, "limit", {0, kLimitMax}));
  const auto since = TRY(query_time(request, "since"));
  std::string where = "true";
  flow::Parameters parameters;
  for (const std::string column : {"alert", "target", "outcome"}) {
    const auto value = query_text(request, column);
    if (!value) continue;
    where += fmt::format(" AND {0} = ${0}", column);
    parameters[column] = *value;
  }
  if (since) {
    // The table is partitioned by day: days before are not even opened.
    where += " AND settled_at >= $since AND day >= $since_day";
    parameters["since"] = *since;
    const auto days = std::chrono::floor<std::chrono::days>(*since).time_since_epoch().count();
    parameters["since_day"] = sql::Date{static_cast<std::int32_t>(days)};
  }
  Json deliveries = Json::array();
  if (parts_.alert_status) {
    for (const auto& status : parts_.alert_status()) deliveries.push_back(delivery_json(status));
  }
  std::string out = fmt::format(R"({{"deliveries":{},"alerts":[)", json_text(deliveries));
  TRY(append_rows(where, parameters, limit.value_or(kLimitDefault), out));
  return http::json(200, std::move(out) + "]}\n");
}

Result<http::Response> Alerts::show(const http::Request& request) const {
  TRY(check_query(request, {}));
  const std::string& id = request.path_parameter("id");
  const std::string start = R"({"alerts":[)";
  std::string out = start;
  TRY(append_rows("id = $id", {{"id", id}}, kLimitMax, out));
  if (out == start) {
    return Error{Code::NotFound, fmt::format("no alert has the id '{}'", base::printable(id))};
  }
  return http::json(200, std::move(out) + "]}\n");
}

Result<http::Response> Alerts::retry(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"alert", "ids", "limit"}));
  flow::AlertRetry chosen{.alert = TRY(body.text("alert")), .ids = TRY(body.texts("ids"))};
  const auto limit = TRY(body.integer("limit", {1, kRetriesMax}));
  if (limit) chosen.limit = static_cast<std::size_t>(*limit);
  if (chosen.ids.size() > kIdsMax) {
    return Error{Code::Invalid,
                 fmt::format("{} ids are given; {} is the limit", chosen.ids.size(), kIdsMax)};
  }
  if (chosen.alert && !parts_.pipeline.alert(*chosen.alert)) {
    std::vector<std::string> names;
    for (const auto& alert : parts_.pipeline.alerts) names.push_back(alert.name);
    return Error{Code::NotFound,
                 fmt::format("no alert is named '{}'{}", base::printable(*chosen.alert),
                             base::did_you_mean(*chosen.alert, names))};
  }
  flow::AlertsRetried retried;
  if (parts_.retry_alerts) retried = TRY(parts_.retry_alerts(chosen));
  return json_answer(
      {{"sent", retried.sent}, {"dead", retried.dead}, {"error", text_or_null(retried.error)}});
}

}  // namespace millrace::serve
