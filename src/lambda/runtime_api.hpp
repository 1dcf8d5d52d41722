#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "http/client.hpp"

namespace millrace::lambda {

/// One call of the function.
struct Invocation {
  std::string id;
  std::string event;  ///< JSON
  base::SteadyTime deadline;
};

/// The Runtime API, by which Lambda hands invocations to a custom runtime, one at a time.
/// Source  AWS Lambda developer guide, "Using the Lambda runtime API".
/// Threads: one at a time.
class RuntimeApi {
 public:
  /// `address` is what AWS_LAMBDA_RUNTIME_API says: `host:port`, and whatever path is behind it.
  /// Errors  Invalid: no such address. Unavailable: nobody listens there.
  static base::Result<RuntimeApi> open(const std::string& address, const base::Clock& clock);

  /// Waits for the next invocation, however long.
  base::Result<Invocation> next();
  /// Errors of these: Invalid: the answer was refused, with its reason (too large, too late).
  base::Result<void> answer(const std::string& id, std::string body);
  base::Result<void> fail(const std::string& id, const base::Error& error);
  /// The function cannot start; the process should end.
  base::Result<void> fail_start(const base::Error& error);

 private:
  RuntimeApi(http::Client client, std::string prefix, const base::Clock& clock)
      : client_(std::move(client)), prefix_(std::move(prefix)), clock_(&clock) {}
  base::Result<void> post(const std::string& path, std::string body, const base::Error* error);

  http::Client client_;
  std::string prefix_;
  const base::Clock* clock_;
};

}  // namespace millrace::lambda
