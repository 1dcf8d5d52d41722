#include "serve/jobs.hpp"

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

constexpr std::int64_t kRunsDefault = 50;
constexpr std::int64_t kRunsMax = 1000;
constexpr std::int64_t kPartitionsDefault = 400;
constexpr std::int64_t kPartitionsMax = 20'000;

Json load_json(const batch::LoadStatus& load) {
  return {{"warehouse", load.warehouse},
          {"table", load.table},
          {"waiting", load.is_known ? Json(load.waiting.size()) : Json()},
          {"unproven", load.unproven},
          {"error", text_or_null(load.error)}};
}

Json job_json(const batch::JobStatus& job) {
  Json partitions = Json::array();
  for (const auto& partition : job.partitions) {
    partitions.push_back(
        {{"partition", partition.partition},
         {"state", name_of(partition.state)},
         {"rows", partition.rows},
         {"ran_at", time_or_null(partition.ran_at)},
         {"is_loaded", partition.is_loaded ? Json(*partition.is_loaded) : Json()}});
  }
  return {{"name", job.name},
          {"at", text_or_null(job.at)},
          {"each", text_or_null(job.each)},
          {"next_run_at", time_or_null(job.next_run_at)},
          {"last_run", job.last_run ? run_json(*job.last_run) : Json(nullptr)},
          {"load", job.load ? load_json(*job.load) : Json(nullptr)},
          {"partitions", std::move(partitions)}};
}

Error no_such_job(const config::Pipeline& pipeline, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& job : pipeline.jobs) names.push_back(job.name);
  return Error{Code::NotFound, fmt::format("no job is named '{}'{}", base::printable(name),
                                           base::did_you_mean(name, names))};
}

}  // namespace

void Jobs::add_to(Routes& routes, const Pools& pools) {
  const auto call = [this](auto member) {
    return [this, member](const http::Request& request) { return (this->*member)(request); };
  };
  routes.get("/v1/jobs", pools.queries, call(&Jobs::list));
  routes.get("/v1/runs", pools.queries, call(&Jobs::runs));
  routes.post("/v1/jobs/{job}/runs", pools.operations, call(&Jobs::run));
  routes.post("/v1/jobs/{job}/loads", pools.operations, call(&Jobs::load));
  routes.post("/v1/jobs/{job}/proofs", pools.operations, call(&Jobs::prove));
  routes.post("/v1/jobs/{job}/backfill", pools.operations, call(&Jobs::backfill));
}

Result<http::Response> Jobs::list(const http::Request& request) const {
  TRY(check_query(request, std::vector<std::string>{"job", "partitions"}));
  const auto limit = TRY(query_integer(request, "partitions", {1, kPartitionsMax}));
  const auto name = query_text(request, "job");
  if (name && !parts_.pipeline.job(*name)) return no_such_job(parts_.pipeline, *name);
  const auto partitions = static_cast<std::size_t>(limit.value_or(kPartitionsDefault));
  Json jobs = Json::array();
  for (const auto& job : TRY(parts_.jobs.list(partitions, name))) jobs.push_back(job_json(job));
  return json_answer({{"jobs", std::move(jobs)}});
}

Result<http::Response> Jobs::runs(const http::Request& request) const {
  TRY(check_query(request, std::vector<std::string>{"job", "partition", "limit"}));
  const auto limit = TRY(query_integer(request, "limit", {1, kRunsMax}));
  batch::RunFilter filter;
  filter.job = query_text(request, "job").value_or("");
  filter.partition = query_text(request, "partition").value_or("");
  filter.limit = static_cast<std::size_t>(limit.value_or(kRunsDefault));
  const auto found = TRY(parts_.jobs.runs(filter));
  // A job that is no longer in the file may still have runs.
  if (found.empty() && !filter.job.empty() && !parts_.pipeline.job(filter.job) &&
      filter.job.find('@') == std::string::npos) {
    return no_such_job(parts_.pipeline, filter.job);
  }
  return runs_answer(found);
}

Result<http::Response> Jobs::run(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"partition"}));
  const auto partition = TRY(body.text("partition"));
  const std::string& name = request.path_parameter("job");
  if (!parts_.pipeline.job(name)) return no_such_job(parts_.pipeline, name);
  return runs_answer(TRY(parts_.jobs.run(name, partition)));
}

Result<http::Response> Jobs::load(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"partition"}));
  const auto partition = TRY(body.text("partition"));
  const std::string& name = request.path_parameter("job");
  if (!parts_.pipeline.job(name)) return no_such_job(parts_.pipeline, name);
  return runs_answer(TRY(parts_.jobs.load(name, partition)));
}

Result<http::Response> Jobs::prove(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"partition"}));
  const auto partition = TRY(body.text("partition"));
  const std::string& name = request.path_parameter("job");
  if (!parts_.pipeline.job(name)) return no_such_job(parts_.pipeline, name);
  return runs_answer({TRY(parts_.jobs.prove(name, partition))});
}

Result<http::Response> Jobs::backfill(const http::Request& request) const {
  const auto body = TRY(JsonBody::parse(request, {"from", "to", "dry_run"}));
  const auto from = TRY(body.text("from"));
  const auto to = TRY(body.text("to"));
  const bool is_dry = TRY(body.boolean("dry_run")).value_or(false);
  const std::string& name = request.path_parameter("job");
  if (!parts_.pipeline.job(name)) return no_such_job(parts_.pipeline, name);
  if (!from || !to) {
    return Error{Code::Invalid,
                 fmt::format("the key '{}' is missing: the {} partition of the range",
                             from ? "to" : "from", from ? "last" : "first")};
  }
  return runs_answer(TRY(parts_.jobs.backfill(
      name, *from, *to, is_dry ? batch::Jobs::DryRun::Yes : batch::Jobs::DryRun::No)));
}

}  // namespace millrace::serve
