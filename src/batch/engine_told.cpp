#include "batch/engine_told.hpp"

#include <nlohmann/json.hpp>

#include "lake/store.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

CheckOutcome outcome_from(std::string_view word) {
  for (const auto outcome : {CheckOutcome::Passed, CheckOutcome::Warned}) {
    if (name_of(outcome) == word) return outcome;
  }
  return CheckOutcome::Failed;
}

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

EngineTold::Run run_from(const Json& json, const Secrets& secrets) {
  EngineTold::Run run{.is_good = text_of(json, "status") == "succeeded",
                      .attempts = json.value("attempt", 1),
                      .duration = std::chrono::milliseconds(json.value("duration_ms", 0LL)),
                      .error = secrets.hidden_in(text_of(json, "error")),
                      .checks = {}};
  for (const auto& one : json.value("checks", Json::array())) {
    auto& check = run.checks.emplace_back();
    check.check = text_of(one, "check");
    check.kind = text_of(one, "kind");
    check.outcome = outcome_from(text_of(one, "outcome"));
    check.detail = secrets.hidden_in(text_of(one, "detail"));
    if (const auto value = one.find("value"); value != one.end() && value->is_number()) {
      check.value = value->get<double>();
    }
  }
  return run;
}

}  // namespace

Result<EngineTold> take_told(const lake::Tools& tools, const os::Path& tables,
                             const std::string& token, const Secrets& secrets) {
  lake::LocalStore local(tools.disk);
  auto& store = tools.store != nullptr ? *tools.store : local;
  const auto path = tables / "_engine" / (token + ".json");
  EngineTold told;
  if (!TRY(store.stat(path))) return told;
  const auto text = TRY(store.read(path));
  TRY(store.remove({path}));
  try {
    const auto json = Json::parse(text);
    told.error = secrets.hidden_in(text_of(json, "error"));
    for (const auto& run : json.value("runs", Json::array())) {
      told.runs[text_of(run, "run_id")] = run_from(run, secrets);
    }
  } catch (const Json::exception& error) {
    return Error{Code::Corrupt, std::string("what the engine told cannot be read: ") + error.what(),
                 path.string()};
  }
  return told;
}

}  // namespace millrace::batch
