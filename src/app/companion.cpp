#include "app/companion.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "app/local_companion.hpp"
#include "base/text.hpp"
#include "http/url.hpp"
#include "os/file_lock.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;
using namespace std::chrono_literals;

namespace {

// An instance says its address once it is ready; a companion that works in its own process never
// does, but is soon done.
constexpr auto kAddressWait = 100ms;
constexpr int kAddressWaits = 150;
constexpr int kRaces = 20;
// A job's run or a compaction is silent until it is done.
constexpr auto kSilenceMax = std::chrono::hours(2);
constexpr std::size_t kErrorBytesMax = 64 << 10;

class RemoteCompanion final : public Companion {
 public:
  RemoteCompanion(http::Client client, std::string address)
      : client_(std::move(client)), address_(std::move(address)) {}

  Result<void> close() override { return {}; }
  std::string address() const override { return address_; }

 private:
  Result<http::ResponseHead> exchange(const http::Request& request,
                                      const http::BodyReader& read) override {
    return client_.stream(request, read);
  }

  http::Client client_;
  const std::string address_;
};

Result<std::unique_ptr<Companion>> open_remote(const std::string& address) {
  const auto url = TRY(http::parse_url(address));
  auto client = TRY(http::Client::open(
      {.host = url.endpoint.host, .port = url.endpoint.port, .silence_max = kSilenceMax}));
  return std::unique_ptr<Companion>(new RemoteCompanion(std::move(client), address));
}

Code code_of(std::string_view name, int status) {
  using enum Code;
  for (const auto code :
       {Invalid, NotFound, Denied, Corrupt, Exhausted, Unavailable, Unknown, Cancelled}) {
    auto known = std::string(base::name_of(code));
    std::erase(known, '_');
    auto given = std::string(name);
    std::erase(given, '_');
    if (base::equal_ignoring_case(known, given)) return code;
  }
  if (status == 404) return NotFound;
  return status < 500 ? Invalid : Unavailable;
}

}  // namespace

Result<std::unique_ptr<Companion>> reach_running(const os::Path& data) {
  const auto lock = data / "lock";
  for (int i = 0;; ++i) {
    const auto holder = os::FileLock::holder(lock);
    if (!holder && holder.error().code == Code::NotFound) return std::unique_ptr<Companion>();
    if (!holder) return holder.error();
    if (!*holder) return std::unique_ptr<Companion>();
    if (!(*holder)->address.empty()) return open_remote((*holder)->address);
    if (i == kAddressWaits) {
      return Error{Code::Unavailable,
                   fmt::format("process {} holds {} and does not say where it can be reached; "
                               "wait until it is done, or end it",
                               (*holder)->process, data.string())};
    }
    std::this_thread::sleep_for(kAddressWait);
  }
}

Result<std::unique_ptr<Companion>> Companion::open(const os::Path& data) {
  for (int i = 0;; ++i) {
    auto running = TRY(reach_running(data));
    if (running) return running;
    auto local = open_local(data);
    // Another process may have been faster: then that is the one to talk to.
    const bool may_be_taken = !local && local.error().code == Code::Unavailable;
    if (!may_be_taken || i == kRaces || !TRY(os::FileLock::holder(data / "lock"))) return local;
    std::this_thread::sleep_for(kAddressWait);
  }
}

Result<void> Companion::stream(const http::Request& request,
                               const std::function<Result<void>(std::string_view)>& read) {
  std::string problem;
  const auto head = TRY(
      exchange(request, [&](const http::ResponseHead& now, std::string_view piece) -> Result<void> {
        if (now.status < 300) return read(piece);
        problem += piece.substr(0, kErrorBytesMax - std::min(kErrorBytesMax, problem.size()));
        return {};
      }));
  if (head.status >= 300) return error_of(head.status, problem);
  return {};
}

Result<std::string> Companion::send(const http::Request& request) {
  std::string body;
  TRY(stream(request, [&](std::string_view piece) -> Result<void> {
    body += piece;
    return {};
  }));
  return body;
}

http::Request get(std::string_view path, const http::Parameters& query) {
  http::Parameters given;
  for (const auto& [name, value] : query) {
    if (!value.empty()) given.emplace_back(name, value);
  }
  std::string target(path);
  if (!given.empty()) target += "?" + http::format_query(given);
  return {.method = "GET", .target = std::move(target)};
}

http::Request post(std::string_view path, std::string json) {
  return {.method = "POST",
          .target = std::string(path),
          .headers = {{"Content-Type", "application/json"}},
          .body = std::move(json)};
}

Error error_of(int status, std::string_view body) {
  const auto document = Json::parse(body, nullptr, false);
  const auto text = [&](const char* key) -> std::string {
    if (!document.is_object() || !document.contains("error")) return "";
    const auto& error = document["error"];
    return error.is_object() && error.contains(key) && error[key].is_string() ? error[key] : "";
  };
  auto message = text("message");
  if (message.empty() && document.is_object() && document.contains("reasons")) {
    for (const auto& reason : document["reasons"]) {
      if (reason.is_string()) message += (message.empty() ? "" : "; ") + reason.get<std::string>();
    }
  }
  if (message.empty()) message = fmt::format("the instance answered with status {}", status);
  return {code_of(text("code"), status), message, text("place")};
}

}  // namespace millrace::app
