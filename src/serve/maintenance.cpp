#include "serve/maintenance.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/units.hpp"
#include "serve/answer.hpp"
#include "serve/request.hpp"
#include "serve/run_json.hpp"

namespace millrace::serve {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

Json table_json(const batch::TableMaintenance& table) {
  const bool is_kept_forever = table.keep == std::chrono::microseconds(0);
  return {{"table", table.table},
          {"keep", is_kept_forever ? Json(nullptr) : Json(base::format_duration(table.keep))},
          {"kept_from", time_or_null(table.kept_from)},
          {"last_run", table.last_run ? run_json(*table.last_run) : Json(nullptr)}};
}

}  // namespace

void Maintenance::add_to(Routes& routes, const Pools& pools) {
  const auto call = [this](auto member) {
    return [this, member](const http::Request& request) { return (this->*member)(request); };
  };
  routes.get("/v1/maintenance", pools.queries, call(&Maintenance::show));
  routes.post("/v1/maintenance/runs", pools.operations, call(&Maintenance::run));
}

Result<http::Response> Maintenance::show(const http::Request& request) const {
  TRY(check_query(request, {}));
  const auto status = TRY(parts_.maintenance.status());
  Json tables = Json::array();
  for (const auto& table : status.tables) tables.push_back(table_json(table));
  return json_answer({{"at", text_or_null(status.at)},
                      {"next_run_at", time_or_null(status.next_run_at)},
                      {"tables", std::move(tables)}});
}

Result<http::Response> Maintenance::run(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"table"}));
  const auto table = TRY(body.text("table"));
  return runs_answer(TRY(parts_.maintenance.run(table)));
}

}  // namespace millrace::serve
