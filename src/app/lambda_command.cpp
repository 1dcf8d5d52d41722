#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "app/commands.hpp"
#include "app/lambda_batch.hpp"
#include "app/lambda_function.hpp"
#include "app/lambda_metrics.hpp"
#include "app/pipeline_file.hpp"
#include "config/read.hpp"
#include "lambda/runtime_api.hpp"
#include "os/process.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;

std::string environment(const char* name, std::string otherwise = {}) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

// What Lambda gives the function; what is not said elsewhere is left to the program itself.
std::uint64_t memory_of_function() {
  const auto megabytes = environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
  auto bytes = megabytes.empty() ? Result<std::uint64_t>(os::memory_bytes())
                                 : base::parse_bytes(megabytes + "MiB");
  return std::max(kMemoryMin / 2, std::move(bytes).value_or(kMemoryMin));
}

os::Path file_of(const LambdaOptions& options) {
  if (!options.file.empty()) return options.file;
  const auto root = environment("LAMBDA_TASK_ROOT", ".");
  return environment("MILLRACE_PIPELINE", root + "/pipeline.yaml");
}

Result<config::Pipeline> read_pipeline(const os::Path& file) {
  auto read = TRY(read_pipeline_file(file, Check::Form));
  if (read.pipeline()) return std::get<config::Pipeline>(std::move(read.outcome));
  return std::get<std::vector<Error>>(read.outcome).front();
}

/// The function from its first invocation to its end.
class Loop {
 public:
  Loop(lambda::RuntimeApi& api, LambdaFunction& function, LambdaMetrics& metrics)
      : api_(api), function_(function), metrics_(metrics) {}

  /// Only ends with an error.
  Error run() {
    for (;;) {
      auto invocation = api_.next();
      if (!invocation) return invocation.error();
      const auto answer = function_.handle(*invocation);
      metrics_.write();
      const auto told =
          answer ? api_.answer(invocation->id, *answer) : api_.fail(invocation->id, answer.error());
      // An answer that is refused is asked for again; one that cannot be given ends the process.
      if (!told && told.error().code != Code::Invalid) return told.error();
      if (const auto failure = function_.failure()) return *failure;
    }
  }

 private:
  lambda::RuntimeApi& api_;
  LambdaFunction& function_;
  LambdaMetrics& metrics_;
};

Exit fail_start(lambda::RuntimeApi& api, const Error& error, Screen& screen) {
  (void)api.fail_start(error).has_value();
  return fail(screen, error);
}

}  // namespace

Exit run_lambda(const LambdaOptions& options, Screen& screen) {
  World world(base::LogFormat::Json, base::Level::Warn);
  const auto address = environment("AWS_LAMBDA_RUNTIME_API");
  if (address.empty()) {
    return fail(screen,
                {Code::Invalid,
                 "AWS_LAMBDA_RUNTIME_API is not set: `millrace lambda` is what a function of "
                 "AWS Lambda starts; on a machine of your own start `millrace run FILE`"});
  }
  auto api = lambda::RuntimeApi::open(address, world.clock);
  if (!api) return fail(screen, api.error());
  const auto pipeline = read_pipeline(file_of(options));
  if (!pipeline) return fail_start(*api, pipeline.error(), screen);
  const os::Path data = environment("MILLRACE_DATA", "/tmp/millrace");
  const auto memory = memory_of_function();
  auto function = LambdaFunction::open(
      *pipeline,
      {.data = data / "function",
       .memory = memory_plan(memory),
       .accepts_lost_records = environment("MILLRACE_ACCEPT_LOST_RECORDS") == "1",
       .table = environment("MILLRACE_TABLE"),
       .claims_table = environment("MILLRACE_CLAIMS_TABLE")},
      world);
  if (!function) return fail_start(*api, function.error(), screen);
  LambdaMetrics metrics(pipeline->metrics, world);
  LambdaBatch batch(*pipeline, {.data = data / "batch", .memory = memory}, world);
  (*function)->start([&](const std::string& command, base::SteadyTime until) {
    return batch.run(command, until);
  });
  const auto error = Loop(*api, **function, metrics).run();
  metrics.write();
  return fail(screen, error);
}

}  // namespace millrace::app
