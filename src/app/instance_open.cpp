// How an instance's parts are built.
#include <fmt/format.h>

#include "app/alert_sinks.hpp"
#include "app/foreign_source.hpp"
#include "app/handed_sources.hpp"
#include "app/instance_parts.hpp"
#include "app/lake_place.hpp"
#include "app/schema_registry.hpp"
#include "base/text.hpp"
#include "os/process.hpp"
#include "source/log_source.hpp"

namespace millrace::app {

using base::Result;

namespace {

log::StreamOptions options_of(const config::Source& source, const InstanceOptions& options) {
  const auto& settings = std::get<config::LogSource>(source.from);
  return {.name = source.name,
          .shards = settings.shards,
          .retention_time = settings.retention_time,
          .retention_bytes = settings.retention_bytes,
          .queue_bytes_max = options.memory.log_queue};
}

}  // namespace

Result<void> Instance::Parts::open_engines() {
  const auto scratch = options.data / "scratch";
  TRY(os::remove_all(world.disk, scratch));
  TRY(world.disk.make_directories(scratch));
  TRY(keep_lake_place(world.disk, options.data, pipeline.lake));
  if (pipeline.is_lake_on_s3()) {
    const lake::FileCache::Options cache{.folder = options.data / "cache",
                                         .bytes_max = options.lake_cache_bytes};
    s3_lake = TRY(S3Lake::open(pipeline.lake, scratch, cache, world));
  }
  // A source's loop and the commits each work on a thread of their own: more threads would only
  // take small tasks from each other.
  worker_engine = TRY(open_engine(1, options.memory.worker_engine, scratch / "worker"));
  // The offsets of the zone are found out once: not while the first record waits.
  auto connection = TRY(worker_engine->connect());
  TRY(connection.run("SELECT now() AT TIME ZONE " + base::sql_string(pipeline.timezone)));
  const auto cores = static_cast<int>(os::core_count());
  job_engine = TRY(open_engine(cores, options.memory.job_engine, scratch / "jobs"));
  // It may take its time: the stream and whoever asks go first.
  maintenance_engine =
      TRY(open_engine(1, options.memory.maintenance_engine, scratch / "maintenance"));
  return {};
}

Result<std::unique_ptr<sql::Instance>> Instance::Parts::open_engine(int threads,
                                                                    std::uint64_t memory,
                                                                    const os::Path& spill) {
  sql::InstanceOptions engine{.threads = threads,
                              .memory_bytes_max = memory,
                              .scratch = spill,
                              .time_zone = pipeline.timezone};
  if (!s3_lake) return sql::Instance::open(engine);
  engine.httpfs = s3_lake->httpfs();
  engine.ca_file = s3_lake->ca_file();
  auto opened = TRY(sql::Instance::open(engine));
  const auto access = TRY(s3_lake->access());
  TRY(opened->read_s3(access));
  return opened;
}

Result<void> Instance::Parts::open_sources() {
  streams = TRY(log::StreamSet::open({.folder = options.data / "log",
                                      .made = {.retention_time = std::chrono::hours(24),
                                               .queue_bytes_max = options.memory.log_queue}},
                                     {world.disk, world.clock, world.random, world.telemetry()}));
  for (const auto& source : pipeline.sources) {
    if (options.is_handed_in) {
      sources[source.name] = TRY(open_handed_source(source, options.accepts_lost_records, world));
    } else if (std::holds_alternative<config::LogSource>(source.from)) {
      const auto stream = TRY(streams->add(options_of(source, options)));
      sources[source.name] = source::make_log_source(*stream);
    } else {
      sources[source.name] = TRY(open_foreign_source(source, options, world));
    }
  }
  TRY(streams->add_made());
  lookups =
      std::make_unique<Lookups>(pipeline, *job_engine, world, options.data / "scratch" / "lookups");
  if (!lookups->errors().empty()) return lookups->errors().front();
  lookups->start_refreshing();
  return {};
}

Result<void> Instance::Parts::open_worker() {
  flow::WorkerParts parts{.pipeline = pipeline,
                          .sources = {},
                          .registries = TRY(open_schema_registries(pipeline, world.clock)),
                          .lookups = lookups->by_name(),
                          .tools = lake_tools(*worker_engine),
                          .board = board,
                          .folder = options.data,
                          .options = {.dedupe_bytes_max = options.memory.dedupe,
                                      .unknown_source = options.unknown_source}};
  for (const auto& [name, source] : sources) parts.sources[name] = source.get();
  parts.options.loop.hot_bytes_max = options.memory.hot_rows;
  worker = TRY(flow::Worker::open(std::move(parts)));
  worker_state = std::make_unique<WorkerState>(*worker);
  queries = TRY(flow::QueryEngine::open(
      {.threads = static_cast<int>(os::core_count()),
       .memory_bytes_max = options.memory.query_engine,
       .scratch = options.data / "scratch" / "queries",
       .readable = {lake_tools(*worker_engine).tables_of(options.data), options.data / "cache"},
       .cache = s3_lake ? s3_lake->cache() : nullptr,
       .httpfs = s3_lake ? s3_lake->httpfs() : os::Path(),
       .ca_file = s3_lake ? s3_lake->ca_file() : "",
       .time_zone = pipeline.timezone},
      board));
  return {};
}

Result<void> Instance::Parts::open_alerts() {
  flow::AlertsParts parts{.pipeline = pipeline,
                          .plans = worker->plans(),
                          .incarnations = {},
                          .tools = lake_tools(*worker_engine),
                          .board = board,
                          .folder = options.data,
                          .make_sink = [this](const auto& alert, const auto& target) {
                            return open_alert_sink(alert, target, world);
                          }};
  for (const auto& [name, source] : sources) parts.incarnations[name] = source->incarnation();
  if (pipeline.has_many_workers()) {
    parts.shards_of = [this](const std::string& source) { return worker->shards_of(source); };
  }
  alerts = TRY(flow::Alerts::open(std::move(parts)));
  return {};
}

Result<void> Instance::Parts::open_jobs() {
  batch::JobsParts parts{
      .pipeline = pipeline,
      .tools = lake_tools(*job_engine),
      .board = board,
      .stream = *worker_state,
      .folder = options.data,
      .options = {.threads = options.job_threads},
      .aws = [this]() -> Result<aws::Client*> { return &TRY(world.aws.session())->client(); }};
  jobs = TRY(batch::Jobs::open(parts));
  proofs = std::make_unique<batch::StreamProofs>(
      batch::StreamProofsParts{.pipeline = pipeline,
                               .tools = lake_tools(*maintenance_engine),
                               .board = board,
                               .runs = jobs->runs_table(),
                               .checks = jobs->checks_table(),
                               .stream = worker_state.get()});
  batch::MaintenanceParts upkeep{.pipeline = pipeline,
                                 .tools = lake_tools(*maintenance_engine),
                                 .board = board,
                                 .runs = jobs->runs_table()};
  for (const auto& [name, source] : sources) upkeep.incarnations[name] = source->incarnation();
  upkeep.proofs = proofs.get();
  upkeep.jobs = jobs.get();
  maintenance = TRY(batch::Maintenance::open(upkeep));
  return {};
}

Result<void> Instance::Parts::open_kinesis_api() {
  kinesis::ServiceParts parts{
      .streams = *streams,
      .tokens = TRY(kinesis::Tokens::open(world.disk, options.data / "kinesis.key")),
      .clock = world.clock,
      .random = world.random,
      .telemetry = world.telemetry()};
  if (!options.aws_keys.empty()) {
    parts.authorize = kinesis_authorizer(options.aws_keys, world.clock);
  }
  kinesis_api = std::make_unique<kinesis::Service>(std::move(parts));
  return {};
}

Result<void> Instance::Parts::open_api() {
  serve::ApiParts parts{
      .pipeline = pipeline,
      .streams = {},
      .all_streams = streams.get(),
      .queries = *queries,
      .board = board,
      .table_status = [this] { return worker->status(); },
      .replay = [this](const auto& request) { return worker->replay(request); },
      .jobs = *jobs,
      .maintenance = *maintenance,
      .proofs = *proofs,
      .alert_status = [this] { return alerts->status(); },
      .retry_alerts = [this](const auto& chosen) { return alerts->retry(chosen); },
      .lookups = [this] { return lookup_status(); },
      .unready = [this] { return unready(); },
      .measure = [this] { measure_disk(world, options.data); },
      .kinesis = [this](const auto& exchange) { kinesis_api->handle(exchange); },
      .clock = world.clock,
      .telemetry = world.telemetry(),
      .options = {.report_bytes_max = options.report_cache_bytes}};
  for (const auto& source : pipeline.sources) {
    if (!std::holds_alternative<config::LogSource>(source.from) || options.is_handed_in) continue;
    parts.streams[source.name] = streams->find(source.name).get();
  }
  api = std::make_unique<serve::Api>(std::move(parts));
  return {};
}

Result<void> Instance::Parts::keep_reading_s3() {
  if (!s3_lake) return {};
  const auto access = TRY(s3_lake->access());
  TRY(queries->read_s3(access));
  s3_readers.emplace(*s3_lake, access,
                     std::vector<S3Readers::Reader>{
                         [this](const auto& now) { return worker_engine->read_s3(now); },
                         [this](const auto& now) { return job_engine->read_s3(now); },
                         [this](const auto& now) { return maintenance_engine->read_s3(now); },
                         [this](const auto& now) { return queries->read_s3(now); }});
  return {};
}

std::vector<serve::LookupStatus> Instance::Parts::lookup_status() const {
  std::vector<serve::LookupStatus> out;
  for (const auto& [name, lookup] : lookups->by_name()) {
    out.push_back({.name = name,
                   .rows = lookup->index()->row_count(),
                   .loaded_at = lookup->loaded_at(),
                   .last_error = lookup->last_error()});
  }
  return out;
}

std::vector<std::string> Instance::Parts::unready() {
  const std::lock_guard lock(mutex);
  return failure.empty() ? std::vector<std::string>() : std::vector<std::string>{failure};
}

}  // namespace millrace::app
