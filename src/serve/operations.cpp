#include "serve/operations.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "log/stream_set.hpp"
#include "serve/answer.hpp"
#include "serve/events.hpp"
#include "serve/request.hpp"

namespace millrace::serve {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

Json stream_json(const std::string& name, bool is_source, const log::StreamStatus& status) {
  Json shards = Json::array();
  for (std::size_t i = 0; i < status.shards.size(); ++i) {
    const auto& shard = status.shards[i];
    shards.push_back({{"shard", i},
                      {"oldest", shard.oldest.value()},
                      {"end", shard.end.value()},
                      {"bytes", shard.bytes}});
  }
  return {{"name", name},
          {"is_source", is_source},
          {"shards", std::move(shards)},
          {"queue_bytes", status.queue_bytes},
          {"is_full", status.is_full},
          {"error", status.last_error.empty() ? Json(nullptr) : Json(status.last_error)}};
}

}  // namespace

void Operations::add_to(Routes& routes, const Pools& pools) {
  const auto call = [this](auto member) {
    return [this, member](const http::Request& request) { return (this->*member)(request); };
  };
  routes.get("/v1/streams", pools.quick, call(&Operations::streams));
  routes.get("/v1/lookups", pools.quick, call(&Operations::lookups));
  routes.get("/metrics", pools.quick, call(&Operations::metrics));
  routes.get("/readyz", pools.quick, call(&Operations::readiness));
  // Says that sockets are served, whatever else is busy.
  routes.get_handler(
      "/healthz", [](const auto& exchange) { exchange->answer(json_answer({{"status", "ok"}})); });
  routes.get_handler("/openapi.json", [](const auto& exchange) {
    exchange->answer(http::json(200, std::string(openapi_document())));
  });
}

Result<http::Response> Operations::streams(const http::Request& request) const {
  TRY(check_query(request, {}));
  Json streams = Json::array();
  for (const auto& [name, stream] : parts_.streams) {
    streams.push_back(stream_json(name, true, stream->status()));
  }
  const auto* all = parts_.all_streams;
  for (const auto& name : all ? all->names() : std::vector<std::string>()) {
    const auto stream = parts_.streams.contains(name) ? nullptr : all->find(name);
    if (stream) streams.push_back(stream_json(name, false, stream->status()));
  }
  return json_answer({{"streams", std::move(streams)}});
}

Result<http::Response> Operations::lookups(const http::Request& request) const {
  TRY(check_query(request, {}));
  Json lookups = Json::array();
  const auto now = parts_.clock.now();
  for (const auto& lookup : parts_.lookups()) {
    const std::chrono::duration<double> age = now - lookup.loaded_at;
    lookups.push_back(
        {{"name", lookup.name},
         {"rows", lookup.rows},
         {"loaded_at", base::format_time(lookup.loaded_at)},
         {"age_s", age.count()},
         {"last_error", lookup.last_error.empty() ? Json(nullptr) : Json(lookup.last_error)}});
  }
  return json_answer({{"lookups", std::move(lookups)}});
}

Result<http::Response> Operations::metrics(const http::Request& /*request*/) const {
  events::saw_process(parts_.telemetry);
  parts_.measure();
  return http::Response{.status = 200,
                        .headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                        .body = parts_.telemetry.metrics.exposition()};
}

Result<http::Response> Operations::readiness(const http::Request& /*request*/) const {
  auto reasons = parts_.unready();
  for (const auto& [name, stream] : parts_.streams) {
    const auto status = stream->status();
    if (!status.last_error.empty()) {
      reasons.push_back(
          fmt::format("the stream '{}' cannot be written: {}", name, status.last_error));
    }
  }
  auto response = json_answer({{"is_ready", reasons.empty()}, {"reasons", reasons}});
  if (!reasons.empty()) {
    response.status = 503;
    response.headers.set("Retry-After", "1");
  }
  return response;
}

}  // namespace millrace::serve
