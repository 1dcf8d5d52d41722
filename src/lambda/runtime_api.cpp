#include "lambda/runtime_api.hpp"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "http/url.hpp"

namespace millrace::lambda {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kVersion = "/2018-06-01/runtime";
// A function rests until it is called; Lambda itself freezes or ends it.
constexpr std::chrono::milliseconds kForEver = 24h * 365;
// The longest that a function may take. A deadline beyond it, or long past, is no time of day:
// cargo-lambda says how long the function may take instead.
constexpr auto kLongest = 15min;
constexpr std::size_t kReasonMax = 300;

base::SteadyTime deadline_of(std::string_view text, const base::Clock& clock) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return clock.steady_now() + kLongest;
  const std::chrono::milliseconds said(number);
  auto left = std::chrono::milliseconds(said) -
              std::chrono::floor<std::chrono::milliseconds>(clock.now().time_since_epoch());
  if (left < -24h) left = said;
  return clock.steady_now() + std::min<std::chrono::milliseconds>(left, kLongest);
}

}  // namespace

Result<RuntimeApi> RuntimeApi::open(const std::string& address, const base::Clock& clock) {
  const auto slash = address.find('/');
  const auto endpoint = TRY(http::parse_endpoint(address.substr(0, slash))
                                .context(fmt::format("AWS_LAMBDA_RUNTIME_API={}", address)));
  auto client = TRY(
      http::Client::open({.host = endpoint.host, .port = endpoint.port, .silence_max = kForEver}));
  return RuntimeApi(std::move(client), slash == std::string::npos ? "" : address.substr(slash),
                    clock);
}

Result<Invocation> RuntimeApi::next() {
  auto response =
      TRY(client_.send({.target = fmt::format("{}{}/invocation/next", prefix_, kVersion)}));
  if (response.status != 200) {
    return Error{Code::Unavailable,
                 fmt::format("the Runtime API answered {} when asked for the next invocation: {}",
                             response.status, base::printable(response.body, kReasonMax))};
  }
  const auto id = response.headers.value("Lambda-Runtime-Aws-Request-Id");
  if (id.empty()) {
    return Error{Code::Invalid, "the Runtime API gave an invocation without its id"};
  }
  return Invocation{std::string(id), std::move(response.body),
                    deadline_of(response.headers.value("Lambda-Runtime-Deadline-Ms"), *clock_)};
}

Result<void> RuntimeApi::post(const std::string& path, std::string body, const Error* error) {
  http::Request request{.method = "POST",
                        .target = fmt::format("{}{}{}", prefix_, kVersion, path),
                        .headers = {{"Content-Type", "application/json"}},
                        .body = std::move(body)};
  if (error != nullptr) {
    request.headers.add("Lambda-Runtime-Function-Error-Type",
                        fmt::format("Millrace.{}", base::name_of(error->code)));
  }
  const auto response = TRY(client_.send(request));
  if (response.status / 100 == 2) return {};
  return Error{Code::Invalid, fmt::format("the Runtime API answered {} to {}: {}", response.status,
                                          path, base::printable(response.body, kReasonMax))};
}

Result<void> RuntimeApi::answer(const std::string& id, std::string body) {
  return post(fmt::format("/invocation/{}/response", id), std::move(body), nullptr);
}

namespace {

std::string error_body(const Error& error) {
  return nlohmann::json{{"errorMessage", error.text()},
                        {"errorType", fmt::format("Millrace.{}", base::name_of(error.code))},
                        {"stackTrace", nlohmann::json::array()}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Result<void> RuntimeApi::fail(const std::string& id, const Error& error) {
  return post(fmt::format("/invocation/{}/error", id), error_body(error), &error);
}

Result<void> RuntimeApi::fail_start(const Error& error) {
  return post("/init/error", error_body(error), &error);
}

}  // namespace millrace::lambda
