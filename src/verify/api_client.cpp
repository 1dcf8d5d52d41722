#include "verify/api_client.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "http/url.hpp"

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

// Jobs over much data may be silent for long.
constexpr std::chrono::milliseconds kSilenceMax{600'000};

Json parsed(std::string_view text) {
  return Json::parse(text, nullptr, false);
}

Error wrong_shape(std::string_view what, std::string_view body) {
  return {Code::Corrupt,
          fmt::format("the answer of {} has another shape: {}", what, base::printable(body))};
}

// `{"error":{"code":…,"message":…}}` as an error; the body itself if it is something else.
Error refused(int status, std::string_view body) {
  const Json answer = parsed(body);
  std::string message = base::printable(body);
  if (answer.is_object() && answer.contains("error") && answer["error"].is_object()) {
    message = answer["error"].value("message", message);
  }
  return {status >= 500 || status == 429 ? Code::Unavailable : Code::Invalid,
          fmt::format("status {}: {}", status, message)};
}

Result<TextRow> row_of(std::string_view line) {
  const Json object = parsed(line);
  if (!object.is_object()) return wrong_shape("a query", line);
  TextRow row;
  for (const auto& value : object) {
    if (value.is_null()) {
      row.emplace_back();
    } else {
      row.emplace_back(value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  return row;
}

std::int64_t integer(const Json& object, const char* name) {
  const bool is_there = object.is_object() && object.contains(name);
  return is_there && object[name].is_number_integer() ? object[name].get<std::int64_t>() : -1;
}

}  // namespace

Result<ApiClient> ApiClient::open(const ApiAddress& address) {
  http::ClientOptions options;
  options.host = address.host;
  options.port = address.port;
  options.silence_max = kSilenceMax;
  auto client = TRY(http::Client::open(options));
  return ApiClient(std::move(client), address.headers);
}

Result<void> ApiClient::rows_of(const http::Request& request, const TakeRow& take) {
  std::string rest, refusal;
  const auto read = [&](const http::ResponseHead& head, std::string_view piece) -> Result<void> {
    if (head.status != 200) {
      refusal += piece;
      return {};
    }
    rest += piece;
    std::size_t at = 0;
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', at)) {
      const auto row = TRY(row_of(std::string_view(rest).substr(at, end - at)));
      TRY(take(row));
      at = end + 1;
    }
    rest.erase(0, at);
    return {};
  };
  const auto head = TRY(client_.stream(request, read));
  if (head.status != 200) return refused(head.status, refusal);
  if (!rest.empty()) return wrong_shape("a query", rest);
  return {};
}

Result<std::string> ApiClient::answer_of(const http::Request& request) {
  auto response = TRY(client_.send(request));
  if (response.status != 200) return refused(response.status, response.body);
  return std::move(response.body);
}

Result<void> ApiClient::query(const std::string& sql, const TakeRow& take) {
  http::Request request{.method = "POST",
                        .target = "/v1/query?format=ndjson",
                        .headers = headers_,
                        .body = Json{{"sql", sql}}.dump()};
  request.headers.set("Content-Type", "application/json");
  return rows_of(request, take);
}

Result<std::vector<TextRow>> ApiClient::query(const std::string& sql) {
  std::vector<TextRow> rows;
  TRY(query(sql, [&](const TextRow& row) -> Result<void> {
    rows.push_back(row);
    return {};
  }));
  return rows;
}

Result<std::vector<TextRow>> ApiClient::report(
    const std::string& name, const std::map<std::string, std::string>& parameters) {
  http::Parameters query{{"format", "ndjson"}};
  query.insert(query.end(), parameters.begin(), parameters.end());
  const http::Request request{.target = fmt::format("/v1/reports/{}?{}", http::percent_encode(name),
                                                    http::format_query(query)),
                              .headers = headers_};
  std::vector<TextRow> rows;
  TRY(rows_of(request, [&](const TextRow& row) -> Result<void> {
    rows.push_back(row);
    return {};
  }));
  return rows;
}

Result<std::map<base::ShardId, base::Offset>> ApiClient::stream_ends(const std::string& stream) {
  const auto body = TRY(answer_of({.target = "/v1/streams", .headers = headers_}));
  const Json answer = parsed(body);
  if (!answer.is_object() || !answer.contains("streams")) return wrong_shape("/v1/streams", body);
  for (const auto& one : answer["streams"]) {
    if (!one.is_object() || one.value("name", "") != stream || !one.contains("shards")) continue;
    std::map<base::ShardId, base::Offset> ends;
    for (const auto& shard : one["shards"]) {
      const auto number = integer(shard, "shard"), end = integer(shard, "end");
      if (number < 0 || end < 0) return wrong_shape("/v1/streams", body);
      ends[base::ShardId(number)] = base::Offset(end);
    }
    return ends;
  }
  return Error{Code::NotFound, fmt::format("the instance has no stream '{}'", stream)};
}

Result<std::string> ApiClient::run_job(const std::string& job, const std::string& partition) {
  http::Request request{.method = "POST",
                        .target = fmt::format("/v1/jobs/{}/runs", http::percent_encode(job)),
                        .headers = headers_,
                        .body = Json{{"partition", partition}}.dump()};
  request.headers.set("Content-Type", "application/json");
  const auto body = TRY(answer_of(request));
  const Json answer = parsed(body);
  if (!answer.is_object() || !answer.contains("runs") || !answer["runs"].is_array()) {
    return wrong_shape("a job's run", body);
  }
  std::string failed;
  for (const auto& run : answer["runs"]) {
    const Json* status = run.is_object() && run.contains("status") ? &run["status"] : nullptr;
    if (!status || !status->is_string()) return wrong_shape("a job's run", body);
    if (*status != "failed") continue;
    const Json reason = run.value("error", Json());
    failed += fmt::format("{} of {} failed: {}", job, partition,
                          reason.is_string() ? reason.get<std::string>() : reason.dump());
  }
  return failed;
}

}  // namespace millrace::verify
