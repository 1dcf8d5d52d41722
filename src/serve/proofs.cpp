#include "serve/proofs.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "serve/answer.hpp"
#include "serve/request.hpp"
#include "serve/run_json.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

// The numbers of the commits, and in `found` those of the files.
Json shard_json(const flow::ShardAccount& shard, bool is_compared) {
  const auto& life = shard.life;
  Json json{{"source", life.source},
            {"incarnation", life.incarnation},
            {"shard", life.shard},
            {"position", life.position},
            {"outcome", !is_compared             ? "not_compared"
                        : !life.counts           ? "not_counted"
                        : shard.findings.empty() ? "passed"
                                                 : "failed"},
            {"findings", shard.findings}};
  if (!life.counts) return json;
  const auto& counts = *life.counts;
  json["from"] = counts.from;
  json["until"] = counts.until;
  json["records"] = counts.records;
  json["with_rows"] = counts.taken;
  json["rejected"] = counts.rejected;
  json["both"] = counts.partly;
  json["filtered"] = counts.filtered;
  json["rows"] = counts.rows;
  json["rows_removed"] = counts.removed;
  if (!is_compared) return json;
  json["found"] = {{"rows", shard.rows}, {"with_rows", shard.taken}, {"rejected", shard.rejected}};
  return json;
}

Json proof_json(const batch::StreamProof& proof) {
  auto json = run_json(proof.run);
  json["findings"] = proof.account.findings;
  json["shards"] = Json::array();
  for (const auto& shard : proof.account.shards)
    json["shards"].push_back(shard_json(shard, proof.account.is_compared));
  return json;
}

}  // namespace

void Proofs::add_to(Routes& routes, const Pools& pools) {
  routes.post("/v1/proofs", pools.operations,
              [this](const http::Request& request) { return prove(request); });
}

Error Proofs::no_such(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& table : parts_.pipeline.tables) names.push_back(table.name);
  for (const auto& job : parts_.pipeline.jobs) names.push_back(job.name);
  return Error{Code::NotFound, fmt::format("no table of a stream and no job is named '{}'{}",
                                           base::printable(name), base::did_you_mean(name, names))};
}

Result<http::Response> Proofs::prove(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"name", "partition"}));
  const auto name = TRY(body.text("name"));
  const auto partition = TRY(body.text("partition"));
  const bool is_stream = name && parts_.proofs.has(*name);
  if (partition && (!name || is_stream)) {
    return Error{Code::Invalid,
                 "partition: only a job has partitions, a stream's table is proven "
                 "as a whole"};
  }
  if (name && !is_stream && !parts_.pipeline.job(*name)) return no_such(*name);
  Json runs = Json::array();
  if (!name || is_stream) {
    for (const auto& proof : TRY(parts_.proofs.run(name))) runs.push_back(proof_json(proof));
  }
  for (const auto& job : parts_.pipeline.jobs) {
    if (name ? job.name != *name : !job.load) continue;
    runs.push_back(run_json(TRY(parts_.jobs.prove(job.name, partition))));
  }
  return json_answer({{"runs", std::move(runs)}});
}

}  // namespace millrace::serve
