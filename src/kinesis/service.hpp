#pragma once

#include <functional>
#include <memory>

#include "http/workers.hpp"
#include "kinesis/call.hpp"
#include "kinesis/subscriptions.hpp"

namespace millrace::kinesis {

struct ServiceParts {
  log::StreamSet& streams;
  Tokens tokens;
  const base::Clock& clock;
  base::Random& random;
  base::Telemetry telemetry;
  /// Says if a request may do what it asks; an error's place is AWS' name of it. None: whoever
  /// sends from this machine may, and nobody else.
  std::function<base::Result<void>(const http::Request&)> authorize = {};
};

/// The Kinesis API over the streams of the data folder: docs/kinesis_api.md.
/// Threads: `handle` from any. Owns threads for what blocks, and one for each subscription.
class Service {
 public:
  explicit Service(ServiceParts parts);
  /// Finishes what has begun.
  ~Service();

  /// Answers a `POST /`. Never blocks.
  void handle(const std::shared_ptr<http::Exchange>& exchange);
  /// Ends the answers that would go on for minutes. Before the server is stopped.
  void end_subscriptions() { subscriptions_.end(); }

 private:
  void take(const std::shared_ptr<http::Exchange>& exchange);
  base::Result<void> prepare(Call& call) const;
  void run(const std::shared_ptr<Call>& call);

  const Tokens tokens_;
  const Context context_;
  const std::function<base::Result<void>(const http::Request&)> authorize_;
  Subscriptions subscriptions_;
  http::Workers workers_;
};

}  // namespace millrace::kinesis
