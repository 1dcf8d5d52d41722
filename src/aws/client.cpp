#include "aws/client.hpp"

#include <fmt/format.h>

#include <condition_variable>

#include "aws/events.hpp"
#include "aws/instant.hpp"
#include "aws/service_error.hpp"
#include "aws/signing.hpp"
#include "http/url.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Error;
using base::Result;

constexpr auto kSkewMin = 4min;
constexpr std::chrono::milliseconds kConnectDeadline = 5s;
constexpr std::size_t kRefusalBytesMax = 64_KiB;

bool is_passing(int status) {
  return status == 500 || status == 502 || status == 503 || status == 504;
}

/// Puts `prefix` before the host of `https://host`.
std::string with_prefix(const std::string& endpoint, const std::string& prefix) {
  const auto host = endpoint.find("://");
  if (prefix.empty() || host == std::string::npos) return endpoint;
  return endpoint.substr(0, host + 3) + prefix + endpoint.substr(host + 3);
}

/// S3 answers long operations with 200 before it knows how they end.
bool is_late_error(const Call& call, const http::Response& answer) {
  return call.service.id == "s3" && call.request.method == "POST" && is_error_document(answer.body);
}

}  // namespace

struct Client::Signed {
  http::WebRequest request = {};
  Credentials credentials = {};
};

/// What one attempt brought.
struct Client::Attempt {
  Result<http::Response> answer;
  std::optional<ServiceError> refused = {};
  Credentials credentials = {};
};

bool pause(std::chrono::milliseconds duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any never;
  never.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

Client::Client(Settings settings, const Tools& tools, CredentialProvider* credentials, Pause pause)
    : settings_(std::move(settings)),
      tools_(tools),
      credentials_(credentials),
      pause_(std::move(pause)) {}

Result<Client::Signed> Client::signed_request(const Call& call, const std::stop_token& stop) {
  const auto endpoint =
      with_prefix(call.endpoint.empty() ? TRY(settings_.endpoint(call.service)) : call.endpoint,
                  call.host_prefix);
  // An endpoint that was set may have a path of its own; it is part of what is signed.
  const auto host_at = std::min(endpoint.find("://"), endpoint.size() - 3) + 3;
  const auto path_at = std::min(endpoint.find('/', host_at), endpoint.size());
  auto request = call.request;
  request.target = endpoint.substr(path_at) + request.target;
  request.headers.set("Host", endpoint.substr(host_at, path_at - host_at));
  Signed made;
  if (credentials_ != nullptr) {
    made.credentials = TRY(credentials_->get(stop));
    auto region = call.region.empty() ? settings_.region : call.region;
    if (region.empty()) region = "us-east-1";  // an endpoint was set, or there would be an error
    TRY(sign(request, made.credentials,
             {.region = region,
              .service = std::string(call.service.signing_name),
              .at = tools_.clock.now() + skew_.load()}));
  }
  made.request = {.method = request.method,
                  .url = endpoint.substr(0, path_at) + request.target,
                  .headers = std::move(request.headers),
                  .body = call.request.body,
                  .connect_deadline = std::min(kConnectDeadline, silence_most_.load()),
                  .silence_max = std::min(call.silence_max, silence_most_.load()),
                  .deadline = call.deadline,
                  .body_bytes_max = call.body_bytes_max};
  return made;
}

Result<Client::Attempt> Client::attempt(const Call& call, const std::stop_token& stop) {
  auto ready = TRY(signed_request(call, stop));
  Attempt made{.answer = tools_.web.send(ready.request, stop),
               .credentials = std::move(ready.credentials)};
  if (made.answer && made.answer->status >= 300) made.refused = service_error(*made.answer);
  if (made.answer && !made.refused && is_late_error(call, *made.answer)) {
    made.refused = service_error(*made.answer);
    made.refused->status = 500;
  }
  return made;
}

Result<std::variant<http::ResponseHead, ServiceError>> Client::stream(const Call& call,
                                                                      const http::BodyReader& read,
                                                                      const std::stop_token& stop) {
  const auto ready = TRY(signed_request(call, stop));
  std::string refusal;
  auto head = tools_.web.stream(
      ready.request,
      [&](const http::ResponseHead& answer, std::string_view piece) -> Result<void> {
        if (answer.status < 300) return read(answer, piece);
        refusal.append(piece.substr(0, kRefusalBytesMax - refusal.size()));
        return {};
      },
      stop);
  if (!head) {
    events::called(tools_.telemetry, call.service.id, name_of(head.error().code));
    return head.error();
  }
  using Answer = std::variant<http::ResponseHead, ServiceError>;
  if (head->status < 300) {
    events::called(tools_.telemetry, call.service.id, "ok");
    return Answer(std::move(*head));
  }
  auto refused = service_error(
      {.status = head->status, .headers = std::move(head->headers), .body = std::move(refusal)});
  events::called(tools_.telemetry, call.service.id, refused.code);
  // So that the next one fares better.
  if (is_expired_token(refused.code) && credentials_ != nullptr) {
    credentials_->refuse(ready.credentials);
  }
  if (is_clock_skew(refused.code)) correct_clock(refused.headers);
  return Answer(std::move(refused));
}

/// Takes the service's time if it differs from ours by more than is allowed.
bool Client::correct_clock(const http::Headers& headers) {
  const auto theirs = parse_amz_date(headers.value("Date"));
  if (!theirs) return false;
  const auto ours = tools_.clock.now() + skew_.load();
  const auto difference = std::chrono::duration_cast<std::chrono::seconds>(*theirs - ours);
  if (std::chrono::abs(difference) < kSkewMin) return false;
  const auto skew = std::chrono::duration_cast<std::chrono::seconds>(*theirs - tools_.clock.now());
  skew_.store(skew);
  events::clock_corrected(tools_.telemetry, skew);
  return true;
}

/// Why to try again; nothing if that is of no use, or not allowed.
std::optional<std::string> Client::retry_reason(const Call& call, const Attempt& made) {
  const bool may_repeat = call.repeat == Call::Repeat::Always;
  if (!made.answer) {
    if (made.answer.error().code == Code::Unavailable) return "connection";
    if (made.answer.error().code == Code::Unknown && may_repeat) return "timeout";
    return std::nullopt;
  }
  if (!made.refused) return std::nullopt;
  const auto& refused = *made.refused;
  if (is_expired_token(refused.code) && credentials_ != nullptr) {
    credentials_->refuse(made.credentials);
    return "expired_token";
  }
  if (is_clock_skew(refused.code)) {
    return correct_clock(refused.headers) ? std::optional<std::string>("clock") : std::nullopt;
  }
  if (refused.status == 429 || is_throttling(refused.code)) {
    // A 503 does not say for certain that nothing was done.
    return may_repeat || refused.status < 500 ? std::optional<std::string>("throttled")
                                              : std::nullopt;
  }
  if ((is_passing(refused.status) || refused.code == "RequestTimeout") && may_repeat) {
    return fmt::format("{}", refused.status);
  }
  return std::nullopt;
}

Result<Outcome> Client::call(const Call& call, const std::stop_token& stop) {
  int taken = 0;
  for (int number = 1;; ++number) {
    auto made = TRY(attempt(call, stop));
    const auto reason = retry_reason(call, made);
    const int cost = reason == "timeout" ? RetryBudget::kTimeoutCost : RetryBudget::kRetryCost;
    if (reason && number < settings_.attempts_max && budget_.take(cost)) {
      taken = cost;
      events::retried(tools_.telemetry, call.service.id, *reason);
      const auto pace = reason == "throttled" ? Pace::Throttled : Pace::Passing;
      const auto wait = backoff(
          number + 1, pace, made.refused ? made.refused->headers : http::Headers(), tools_.random);
      if (!pause_(wait, stop)) return Error{Code::Cancelled, "stopped between two attempts"};
      continue;
    }
    if (!made.answer) {
      if (made.answer.error().code == Code::Unknown)
        events::ambiguous(tools_.telemetry, call.service.id);
      events::called(tools_.telemetry, call.service.id, name_of(made.answer.error().code));
      return made.answer.error();
    }
    if (made.refused) {
      events::called(tools_.telemetry, call.service.id, made.refused->code);
      return Outcome(std::move(*made.refused));
    }
    budget_.give_back(number > 1 ? taken : 1);
    events::called(tools_.telemetry, call.service.id, "ok");
    return Outcome(std::move(*made.answer));
  }
}

Result<Outcome> Client::call_json(const Service& service, const JsonCall& asked,
                                  const std::stop_token& stop) {
  return call({.service = service,
               .request = {.method = "POST",
                           .headers = {{"Content-Type", fmt::format("application/x-amz-json-{}",
                                                                    service.json_version)},
                                       {"X-Amz-Target", fmt::format("{}.{}", service.json_target,
                                                                    asked.operation)}},
                           .body = asked.body},
               .endpoint = asked.endpoint,
               .region = asked.region,
               .repeat = asked.repeat,
               .silence_max = asked.silence_max},
              stop);
}

Result<Outcome> Client::call_query(const Service& service, const QueryCall& asked,
                                   const std::stop_token& stop) {
  http::Parameters form{{"Action", asked.action}, {"Version", std::string(service.query_version)}};
  form.insert(form.end(), asked.parameters.begin(), asked.parameters.end());
  return call({.service = service,
               .request = {.method = "POST",
                           .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                           .body = http::format_query(form)},
               .repeat = asked.repeat},
              stop);
}

}  // namespace millrace::aws
