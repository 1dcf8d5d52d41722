#include "aws/glue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "aws/json_members.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

constexpr int kPageRuns = 200;
constexpr int kPagesMax = 5;

Error no_answer(const std::string& what) {
  return {Code::Corrupt, "Glue answered what is no " + what};
}

// STARTING, RUNNING, STOPPING and WAITING are not the end.
GlueRun::What what_of(const std::string& state) {
  static constexpr std::array<std::string_view, 5> kBad{"FAILED", "STOPPED", "TIMEOUT", "ERROR",
                                                        "EXPIRED"};
  if (state == "SUCCEEDED") return GlueRun::What::Succeeded;
  const bool is_bad = std::ranges::find(kBad, state) != kBad.end();
  return is_bad ? GlueRun::What::Failed : GlueRun::What::Running;
}

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<Glue> Glue::open(Client& client, const std::string& region) {
  auto settings = client.settings();
  if (!region.empty()) settings.region = region;
  auto endpoint = TRY(settings.endpoint(kGlue));
  return Glue(client, settings.region, std::move(endpoint));
}

Error Glue::refused(const ServiceError& error, const std::string& operation) {
  auto told = error.as_error("Glue " + operation);
  if (error.code == "EntityNotFoundException") told.code = Code::NotFound;
  if (error.code == "ConcurrentRunsExceededException" ||
      error.code == "ResourceNumberLimitExceededException") {
    told.code = Code::Exhausted;
  }
  if (error.code == "OperationTimeoutException") told.code = Code::Unknown;
  if (error.code == "AccessDeniedException") {
    told.message += fmt::format(" (the policy must allow glue:{})", operation);
  }
  return told;
}

Result<std::string> Glue::ask(const std::string& operation, std::string body,
                              const std::stop_token& stop, Call::Repeat repeat) const {
  auto outcome = TRY(client_
                         ->call_json(kGlue,
                                     {.operation = operation,
                                      .body = std::move(body),
                                      .repeat = repeat,
                                      .endpoint = endpoint_,
                                      .region = region_},
                                     stop)
                         .context("Glue"));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) {
    auto told = refused(*error, operation);
    // What failed on its side may have been done before.
    if (repeat == Call::Repeat::IfNotDone && error->status >= 500) told.code = Code::Unknown;
    return told;
  }
  return std::move(std::get<http::Response>(outcome).body);
}

Result<std::string> Glue::start(const GlueStart& start, const std::stop_token& stop) {
  Json request{{"JobName", start.job}, {"Arguments", start.arguments}};
  if (start.timeout.count() > 0) request["Timeout"] = start.timeout.count();
  if (!start.worker_type.empty()) request["WorkerType"] = start.worker_type;
  if (start.workers > 0) request["NumberOfWorkers"] = start.workers;
  const auto body = TRY(ask("StartJobRun", dumped(request), stop, Call::Repeat::IfNotDone));
  auto id = text_of(Json::parse(body, nullptr, false), "JobRunId");
  if (id.empty()) return no_answer("run's id");
  return id;
}

Result<GlueRun> Glue::describe(const std::string& job, const std::string& id,
                               const std::stop_token& stop) {
  const auto body =
      TRY(ask("GetJobRun", dumped({{"JobName", job}, {"RunId", id}}), stop, Call::Repeat::Always));
  const auto document = Json::parse(body, nullptr, false);
  const auto* run = member(document, "JobRun");
  auto state = run != nullptr ? text_of(*run, "JobRunState") : "";
  if (state.empty()) return no_answer("run's state");
  return GlueRun{.what = what_of(state), .state = state, .error = text_of(*run, "ErrorMessage")};
}

Result<std::optional<std::string>> Glue::find(const std::string& job, const std::string& name,
                                              std::string_view value, const std::stop_token& stop) {
  std::string token;
  for (int page = 0; page < kPagesMax; ++page) {
    Json request{{"JobName", job}, {"MaxResults", kPageRuns}};
    if (!token.empty()) request["NextToken"] = token;
    const auto body = TRY(ask("GetJobRuns", dumped(request), stop, Call::Repeat::Always));
    const auto document = Json::parse(body, nullptr, false);
    const auto* runs = member(document, "JobRuns");
    if (runs == nullptr || !runs->is_array()) return no_answer("list of runs");
    for (const auto& run : *runs) {
      const auto* arguments = member(run, "Arguments");
      if (arguments == nullptr || !text_of(*arguments, name.c_str()).starts_with(value)) continue;
      if (auto id = text_of(run, "Id"); !id.empty()) return std::optional(std::move(id));
    }
    token = text_of(document, "NextToken");
    if (token.empty()) break;
  }
  return std::optional<std::string>();
}

Result<void> Glue::stop(const std::string& job, const std::string& id,
                        const std::stop_token& stop) {
  const Json request{{"JobName", job}, {"JobRunIds", {id}}};
  TRY(ask("BatchStopJobRun", dumped(request), stop, Call::Repeat::Always));
  return {};
}

}  // namespace millrace::aws
