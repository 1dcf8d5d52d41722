#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "config/pipeline.hpp"
#include "decode/lambda_event.hpp"
#include "flow/transform.hpp"
#include "lambda/intake.hpp"
#include "lambda/runtime_api.hpp"

namespace millrace::lambda {

/// What a handler works with; all must outlive it.
struct HandlerParts {
  const config::Pipeline& pipeline;
  flow::Worker& worker;
  /// By name of the source: those of Kinesis, numbered by sequence, and those of the embedded log,
  /// numbered as records arrive, into which all other services' events go.
  std::map<std::string, source::HandedSource*> sources;
  /// Finds a shard that was made since, so that its records' keys can be told from others'.
  std::function<base::Result<void>(const std::string& source)> look_again;
  /// Does what `{"millrace": …}` asks for; the answer.
  std::function<base::Result<std::string>(const std::string& command, base::SteadyTime until)>
      command;
  /// What makes rows of the records of a delivery stream of Firehose; it lives as long as this.
  std::function<base::Result<flow::Transform*>(std::string_view stream)> transform;
  const base::Clock& clock;
  base::Random& random;
  base::Telemetry telemetry;
};

/// How many shards a source has whose records are numbered as they arrive: processes that take the
/// same one at once are in each other's way, and one of them does its work twice.
inline constexpr int kArrivalShards = 64;

/// From an event to its answer. Threads: one at a time.
class Handler {
 public:
  explicit Handler(HandlerParts parts)
      : parts_(std::move(parts)),
        intake_(parts_.worker, parts_.clock),
        slot_(static_cast<std::int64_t>(parts_.random.below(kArrivalShards))) {}

  /// The answer, as JSON.
  /// Errors  the invocation failed as a whole, nothing of it is committed: Lambda calls again.
  base::Result<std::string> handle(const Invocation& invocation);

 private:
  struct Target {
    const config::Source* source = nullptr;
    source::HandedSource* stream = nullptr;
  };
  base::Result<std::string> dispatch(decode::LambdaEvent event, base::SteadyTime until);
  base::Result<std::string> take_kinesis(decode::LambdaEvent event, base::SteadyTime until);
  base::Result<std::string> take_messages(decode::LambdaEvent event, base::SteadyTime until);
  base::Result<std::string> take_event(decode::LambdaEvent event, base::SteadyTime until);
  base::Result<std::string> transform(const decode::LambdaEvent& event);
  base::Result<std::string> take_request(decode::LambdaEvent event, base::SteadyTime until);
  base::Result<Target> stream_of(const std::string& arn) const;
  base::Result<Target> open_target(std::string_view name) const;
  Taken take_arrivals(const Target& target, const decode::LambdaEvent& event,
                      base::SteadyTime until);

  HandlerParts parts_;
  Intake intake_;
  decode::LambdaEventReader reader_;
  base::ShardId slot_;  // which shard of arrivals this process takes
  base::SteadyTime tell_rejects_at_{};
};

}  // namespace millrace::lambda
