#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <variant>

#include "aws/credential_provider.hpp"
#include "aws/retry.hpp"
#include "aws/settings.hpp"
#include "base/units.hpp"
#include "http/client.hpp"
#include "http/message.hpp"

namespace millrace::aws {

using namespace base::literals;

/// What a service answered instead of doing what was asked.
struct ServiceError {
  int status = 0;
  std::string code;     ///< `ProvisionedThroughputExceededException`, `NoSuchKey`
  std::string message;  ///< the service's own
  std::string request_id;
  http::Headers headers;
  std::string body = {};  ///< the answer itself: some tell more than their words

  /// Errors  Exhausted: throttled. Unavailable: 5xx. NotFound: 404. Denied: not allowed, or the
  /// credentials are wrong or expired, with the mend. Invalid: any other.
  base::Error as_error(std::string_view what) const;
};

using Outcome = std::variant<http::Response, ServiceError>;

struct Call {
  /// Whether it may be sent again when it is not known whether it was done.
  enum class Repeat : std::uint8_t { Always, IfNotDone };

  Service service;
  http::Request request;         ///< method, target, headers, body; no Host, no signature
  std::string host_prefix = {};  ///< put before the endpoint's host: `bucket.`
  std::string endpoint = {};     ///< instead of the settings': `https://s3.eu-west-1.amazonaws.com`
  std::string region = {};       ///< of the signature, instead of the settings'
  Repeat repeat = Repeat::Always;
  std::chrono::milliseconds silence_max{60'000};
  std::chrono::milliseconds deadline{0};  ///< of one attempt; 0: none
  std::uint64_t body_bytes_max = 256_MiB;
};

struct JsonCall {
  std::string operation;  ///< `PutRecords`
  std::string body;       ///< JSON
  Call::Repeat repeat = Call::Repeat::Always;
  std::chrono::milliseconds silence_max{60'000};
  std::string endpoint = {};  ///< as in Call
  std::string region = {};
};

struct QueryCall {
  std::string action;  ///< `Publish`
  http::Parameters parameters;
  Call::Repeat repeat = Call::Repeat::Always;
};

/// Waits, or returns false early if asked to stop. Tests put their own in its place.
using Pause = std::function<bool(std::chrono::milliseconds, const std::stop_token&)>;
bool pause(std::chrono::milliseconds duration, const std::stop_token& stop);

/// Sends requests to AWS: signs each attempt anew, tries again what may pass (standard mode: a
/// budget of retries, full jitter), corrects the clock by the service's, gets new credentials when
/// they expired. It blocks.
/// Threads: safe from any.
class Client {
 public:
  /// Without a provider requests are not signed. All must outlive the client.
  Client(Settings settings, const Tools& tools, CredentialProvider* credentials,
         Pause pause = aws::pause);

  const Settings& settings() const { return settings_; }
  /// From now on no call waits longer for who does not say anything, or for a connection.
  void limit_silence(std::chrono::milliseconds most) { silence_most_ = most; }

  /// Errors  Unavailable: nothing was done. Unknown: it may have been done: an answer was lost
  /// (`Repeat::IfNotDone`, or at the last attempt). Denied: no credentials. Cancelled.
  base::Result<Outcome> call(const Call& call, const std::stop_token& stop = {});
  /// Sends `call` once, and hands the body of an answer that is no error to `read` as it comes.
  /// Errors  as `call`, and those of `read`.
  base::Result<std::variant<http::ResponseHead, ServiceError>> stream(
      const Call& call, const http::BodyReader& read, const std::stop_token& stop = {});
  /// An operation of a JSON service.
  base::Result<Outcome> call_json(const Service& service, const JsonCall& call,
                                  const std::stop_token& stop = {});
  /// An operation of the query protocol (STS, SNS); the answer is XML.
  base::Result<Outcome> call_query(const Service& service, const QueryCall& call,
                                   const std::stop_token& stop = {});

 private:
  struct Attempt;
  struct Signed;
  base::Result<Signed> signed_request(const Call& call, const std::stop_token& stop);
  base::Result<Attempt> attempt(const Call& call, const std::stop_token& stop);
  std::optional<std::string> retry_reason(const Call& call, const Attempt& attempt);
  bool correct_clock(const http::Headers& headers);

  const Settings settings_;
  const Tools tools_;
  CredentialProvider* const credentials_;
  const Pause pause_;
  RetryBudget budget_;
  std::atomic<std::chrono::milliseconds> silence_most_{std::chrono::hours(1)};
  std::atomic<std::chrono::seconds> skew_{std::chrono::seconds(0)};  ///< AWS's clock less ours
};

}  // namespace millrace::aws
