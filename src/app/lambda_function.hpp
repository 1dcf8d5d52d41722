#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "app/dynamodb_claims.hpp"
#include "app/lookups.hpp"
#include "app/memory_plan.hpp"
#include "app/s3_lake.hpp"
#include "app/world.hpp"
#include "flow/cut_board.hpp"
#include "flow/transform.hpp"
#include "flow/worker.hpp"
#include "lambda/handler.hpp"
#include "source/handed_source.hpp"

namespace millrace::app {

struct LambdaFunctionOptions {
  os::Path data;  ///< the only folder that a function may write to
  MemoryPlan memory;
  bool accepts_lost_records = false;
  std::string table = {};  ///< whose way the records of Firehose take; empty: by the stream's name
  std::string claims_table = {};  ///< of DynamoDB, for `unique`; empty: none
};

/// A pipeline's stream half as a function of AWS Lambda: lookups, tables and a worker that is
/// handed its records. It is built once and serves one invocation after the other. Threads: one at
/// a time.
class LambdaFunction {
 public:
  /// Errors  as `Instance::open`; Invalid: a source that no event of Lambda can feed; `unique`, and
  ///         no table for claims.
  static base::Result<std::unique_ptr<LambdaFunction>> open(const config::Pipeline& pipeline,
                                                            LambdaFunctionOptions options,
                                                            World& world);
  LambdaFunction(const LambdaFunction&) = delete;
  LambdaFunction& operator=(const LambdaFunction&) = delete;
  /// Without a commit: what is not committed comes again.
  ~LambdaFunction();

  using Command =
      std::function<base::Result<std::string>(const std::string& command, base::SteadyTime until)>;
  /// Begins. `command` does what `{"millrace": …}` asks for.
  void start(Command command);
  base::Result<std::string> handle(const lambda::Invocation& invocation);
  /// Why it cannot go on; none: it can.
  std::optional<base::Error> failure() const;

 private:
  LambdaFunction(const config::Pipeline& pipeline, LambdaFunctionOptions options, World& world)
      : pipeline_(pipeline), options_(std::move(options)), world_(world) {}
  base::Result<void> open_engine();
  base::Result<void> open_claims();
  base::Result<void> open_sources();
  base::Result<void> open_worker();
  base::Result<flow::Transform*> transform_of(std::string_view stream);

  // Declared in the order in which things are built; what is used outlives its users.
  const config::Pipeline& pipeline_;
  const LambdaFunctionOptions options_;
  World& world_;
  std::unique_ptr<S3Lake> s3_lake_;  // none: the tables are in a folder
  std::unique_ptr<sql::Instance> engine_;
  std::map<std::string, std::unique_ptr<source::HandedSource>> sources_;
  std::unique_ptr<Lookups> lookups_;
  std::unique_ptr<DynamoDbClaims> claims_;  // none: no table has `unique`
  flow::CutBoard board_;
  std::unique_ptr<flow::Worker> worker_;
  std::unique_ptr<lambda::Handler> handler_;
  struct Transforming {
    std::unique_ptr<sql::Instance> engine;
    std::unique_ptr<flow::Transform> transform;
  };
  std::map<std::string, Transforming> transforms_;  // by table; made when Firehose first asks

  mutable std::mutex mutex_;
  std::optional<base::Error> failure_;  // Guarded by mutex_.
};

}  // namespace millrace::app
