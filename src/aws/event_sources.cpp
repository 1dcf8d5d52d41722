#include "aws/event_sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "http/url.hpp"

namespace millrace::aws {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

namespace {

constexpr int kPagesMax = 100;

EventSourceMapping mapping_of(const Json& json) {
  const auto types = json.value("FunctionResponseTypes", Json::array());
  const auto number = [&](const char* name, int otherwise) {
    const auto found = json.find(name);
    return found != json.end() && found->is_number() ? found->get<int>() : otherwise;
  };
  return {
      .id = json.value("UUID", ""),
      .function = json.value("FunctionArn", ""),
      .state = json.value("State", ""),
      .parallelization = number("ParallelizationFactor", 1),
      .retries = number("MaximumRetryAttempts", -1),
      .age_seconds = number("MaximumRecordAgeInSeconds", -1),
      .is_split = json.value("BisectBatchOnFunctionError", false),
      .reports_failures = std::ranges::find(types, Json("ReportBatchItemFailures")) != types.end()};
}

}  // namespace

Result<std::vector<EventSourceMapping>> event_source_mappings(Client& client,
                                                              const std::string& stream_arn,
                                                              const std::stop_token& stop) {
  std::vector<EventSourceMapping> mappings;
  std::string marker;
  for (int page = 0; page < kPagesMax; ++page) {
    std::string target =
        "/2015-03-31/event-source-mappings/?EventSourceArn=" + http::percent_encode(stream_arn);
    if (!marker.empty()) target += "&Marker=" + http::percent_encode(marker);
    const auto outcome =
        TRY(client.call({.service = kLambda, .request = {.target = target}}, stop));
    if (const auto* refused = std::get_if<ServiceError>(&outcome)) {
      return refused->as_error("Lambda ListEventSourceMappings");
    }
    const auto answer =
        Json::parse(std::get<http::Response>(outcome).body, nullptr, /*allow_exceptions=*/false);
    if (!answer.is_object() || !answer.value("EventSourceMappings", Json()).is_array()) {
      return Error{Code::Corrupt, "Lambda answered what is no list of event source mappings"};
    }
    try {
      for (const auto& one : answer["EventSourceMappings"]) mappings.push_back(mapping_of(one));
      const auto next = answer.value("NextMarker", Json());
      marker = next.is_string() ? next.get<std::string>() : "";
    } catch (const Json::exception& error) {
      return Error{Code::Corrupt, fmt::format("Lambda's event source mappings: {}", error.what())};
    }
    if (marker.empty()) return mappings;
  }
  return mappings;
}

}  // namespace millrace::aws
