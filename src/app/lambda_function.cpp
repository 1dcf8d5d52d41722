#include "app/lambda_function.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "app/handed_sources.hpp"
#include "app/schema_registry.hpp"
#include "base/text.hpp"
#include "lambda/firehose.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;

namespace {

// Nobody looks at other processes' rows here: each batch asks for itself.
constexpr auto kNeverFollow = std::chrono::hours(24 * 365);

// With three attempts, the reason is told before the start's ten seconds are over.
constexpr auto kSilenceAtStart = std::chrono::milliseconds(2'500);
// A request that hangs is sent again: an invocation's time is short, and commits are conditional.
constexpr auto kSilence = std::chrono::seconds(5);

// Where there is no session, whoever needs one says why.
void limit_silence(World& world, std::chrono::milliseconds most) {
  const auto session = world.aws.session();
  if (session) (*session)->client().limit_silence(most);
}

// So much may the clocks of two functions differ.
constexpr auto kClocksDiffer = std::chrono::seconds(2);

// A table that reads another one may be behind it, and reads its files then. Of records that are
// numbered as they arrive, a key that is claimed may be in a file.
bool reads_files(const config::Pipeline& pipeline) {
  return std::ranges::any_of(pipeline.tables, [&](const config::Table& table) {
    const bool has_arrivals =
        std::holds_alternative<config::LogSource>(pipeline.root_source(table).from);
    return table.from_is_table || (table.unique && has_arrivals);
  });
}

}  // namespace

LambdaFunction::~LambdaFunction() = default;

Result<std::unique_ptr<LambdaFunction>> LambdaFunction::open(const config::Pipeline& pipeline,
                                                             LambdaFunctionOptions options,
                                                             World& world) {
  options.data = std::filesystem::absolute(options.data).lexically_normal();
  std::unique_ptr<LambdaFunction> function(new LambdaFunction(pipeline, std::move(options), world));
  TRY(function->open_claims());
  TRY(function->open_engine());
  TRY(function->open_sources());
  TRY(function->open_worker());
  limit_silence(world, kSilence);
  return function;
}

// Many processes write the tables: a set of keys in one of them would not do.
Result<void> LambdaFunction::open_claims() {
  const auto unique = std::ranges::find_if(
      pipeline_.tables, [](const auto& table) { return table.unique.has_value(); });
  if (unique == pipeline_.tables.end()) return {};
  if (options_.claims_table.empty()) {
    return Error{Code::Invalid,
                 fmt::format("table '{}': `unique` in a function of AWS Lambda claims keys in a "
                             "table of DynamoDB: make one whose partition key is `key`, a string, "
                             "and whose TTL attribute is `expires`, and set "
                             "MILLRACE_CLAIMS_TABLE to its name (the template does both); or take "
                             "`unique` out of the file",
                             unique->name),
                 unique->unique->place.text()};
  }
  auto* session = TRY(world_.aws.session().context("MILLRACE_CLAIMS_TABLE"));
  auto dynamodb = TRY(aws::DynamoDb::open(session->client()).context("MILLRACE_CLAIMS_TABLE"));
  claims_ = std::make_unique<DynamoDbClaims>(
      std::move(dynamodb), DynamoDbClaimsOptions{.table = options_.claims_table}, world_.clock);
  return {};
}

Result<void> LambdaFunction::open_engine() {
  const auto scratch = options_.data / "scratch";
  TRY(os::remove_all(world_.disk, scratch));
  TRY(world_.disk.make_directories(scratch));
  sql::InstanceOptions engine{.threads = 1,
                              .memory_bytes_max = options_.memory.worker_engine,
                              .scratch = scratch,
                              .time_zone = pipeline_.timezone};
  if (pipeline_.is_lake_on_s3()) {
    const auto reads = reads_files(pipeline_) ? S3Lake::Reads::Yes : S3Lake::Reads::No;
    s3_lake_ =
        TRY(S3Lake::open(pipeline_.lake, scratch, {.folder = {}, .bytes_max = 0}, world_, reads));
    engine.httpfs = s3_lake_->httpfs();
    engine.ca_file = s3_lake_->ca_file();
  }
  engine_ = TRY(sql::Instance::open(engine));
  if (engine.httpfs.empty()) return {};
  const auto access = TRY(s3_lake_->access());
  return engine_->read_s3(access);
}

Result<void> LambdaFunction::open_sources() {
  for (const auto& source : pipeline_.sources) {
    sources_[source.name] = TRY(open_handed_source(source, options_.accepts_lost_records, world_));
  }
  lookups_ =
      std::make_unique<Lookups>(pipeline_, *engine_, world_, options_.data / "scratch" / "lookups");
  if (!lookups_->errors().empty()) return lookups_->errors().front();
  lookups_->start_refreshing();
  return {};
}

Result<void> LambdaFunction::open_worker() {
  lake::Tools tools{world_.disk, *engine_, world_.clock, world_.random, world_.telemetry()};
  tools.tables = pipeline_.lake;
  if (s3_lake_) {
    tools.store = &s3_lake_->store();
    tools.tables = s3_lake_->tables();
  }
  flow::WorkerParts parts{
      .pipeline = pipeline_,
      .sources = {},
      .registries = TRY(open_schema_registries(pipeline_, world_.clock)),
      .lookups = lookups_->by_name(),
      .tools = tools,
      .board = board_,
      .folder = options_.data,
      .options = {.dedupe_bytes_max = options_.memory.dedupe, .follow_every = kNeverFollow},
      .claims = claims_.get()};
  for (const auto& [name, source] : sources_) parts.sources[name] = source.get();
  parts.options.loop.hot_bytes_max = options_.memory.hot_rows;
  // Whose a shard is, the next batch says.
  parts.options.loop.rest_when_overtaken = std::chrono::microseconds(0);
  worker_ = TRY(flow::Worker::open(std::move(parts)));
  return {};
}

void LambdaFunction::start(Command command) {
  lambda::HandlerParts parts{.pipeline = pipeline_,
                             .worker = *worker_,
                             .sources = {},
                             .look_again =
                                 [this](const std::string& source) {
                                   return look_for_shards(*pipeline_.source(source),
                                                          *sources_.at(source), world_);
                                 },
                             .command = std::move(command),
                             .transform = [this](auto stream) { return transform_of(stream); },
                             .clock = world_.clock,
                             .random = world_.random,
                             .telemetry = world_.telemetry()};
  for (const auto& [name, source] : sources_) parts.sources[name] = source.get();
  handler_ = std::make_unique<lambda::Handler>(std::move(parts));
  worker_->start([this](const base::Error& error) {
    for (const auto& [name, source] : sources_) source->fail(error);
    const std::lock_guard lock(mutex_);
    failure_ = error;
  });
}

Result<std::string> LambdaFunction::handle(const lambda::Invocation& invocation) {
  if (claims_) {
    const auto left = std::chrono::ceil<std::chrono::microseconds>(invocation.deadline -
                                                                   world_.clock.steady_now());
    claims_->set_until(world_.clock.now() + left + kClocksDiffer);
  }
  return handler_->handle(invocation);
}

// A statement of SQL belongs to one engine and one thread, and the worker's are the worker's.
Result<flow::Transform*> LambdaFunction::transform_of(std::string_view stream) {
  const auto* table = TRY(lambda::table_of(pipeline_, stream, options_.table));
  auto& made = transforms_[table->name];
  if (made.transform) return made.transform.get();
  const auto scratch = options_.data / "scratch" / "transform";
  TRY(world_.disk.make_directories(scratch));
  made.engine = TRY(sql::Instance::open({.threads = 1,
                                         .memory_bytes_max = options_.memory.worker_engine,
                                         .scratch = scratch,
                                         .time_zone = pipeline_.timezone}));
  auto registries = TRY(open_schema_registries(pipeline_, world_.clock));
  made.transform = TRY(flow::Transform::open(*table, {.pipeline = pipeline_,
                                                      .lookups = lookups_->by_name(),
                                                      .registry = registries[table->from],
                                                      .engine = *made.engine,
                                                      .clock = world_.clock,
                                                      .telemetry = world_.telemetry()}));
  return made.transform.get();
}

std::optional<base::Error> LambdaFunction::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace millrace::app
