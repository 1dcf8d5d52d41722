#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "app/instance.hpp"
#include "app/lookups.hpp"
#include "app/metrics_exports.hpp"
#include "app/s3_lake.hpp"
#include "batch/jobs.hpp"
#include "batch/maintenance.hpp"
#include "batch/stream_proofs.hpp"
#include "flow/alerts.hpp"
#include "flow/cut_board.hpp"
#include "flow/query.hpp"
#include "kinesis/service.hpp"
#include "log/stream_set.hpp"
#include "serve/api.hpp"

// Private to the instance: what it is made of.
namespace millrace::app {

// How long a job run that a user asked for waits for records that were acknowledged before.
inline constexpr auto kTakeIn = std::chrono::minutes(1);

/// The stream half, as jobs need it.
class WorkerState final : public batch::StreamState {
 public:
  explicit WorkerState(flow::Worker& worker) : worker_(worker) {}
  base::Time watermark(std::string_view table) override {
    return worker_.watermark(table).value_or(base::Time{});
  }
  base::Result<void> take_in() override { return worker_.take_in(kTakeIn); }

 private:
  flow::Worker& worker_;
};

/// Declared in the order in which things are built; what is used outlives its users. Hot rows are
/// chunks of the worker's engine, so that engine goes last.
struct Instance::Parts {
  Parts(config::Pipeline pipeline_, InstanceOptions options_, World& world_)
      : pipeline(std::move(pipeline_)), options(std::move(options_)), world(world_) {}
  // What the streams still write is answered by the services, which go before them.
  ~Parts() {
    if (worker) worker->end_following();
    if (streams) streams->close();
  }

  const config::Pipeline pipeline;
  const InstanceOptions options;
  World& world;

  std::unique_ptr<MetricsExports> exports;  // the last to go: it sends what all others counted
  std::unique_ptr<S3Lake> s3_lake;          // none: the tables are in the data folder
  std::unique_ptr<sql::Instance> worker_engine;
  std::unique_ptr<sql::Instance> job_engine;
  std::unique_ptr<sql::Instance> maintenance_engine;
  std::unique_ptr<log::StreamSet> streams;
  std::map<std::string, std::unique_ptr<source::Source>> sources;
  std::unique_ptr<Lookups> lookups;
  flow::CutBoard board;
  std::unique_ptr<flow::Worker> worker;
  std::unique_ptr<flow::QueryEngine> queries;
  std::unique_ptr<flow::Alerts> alerts;
  std::unique_ptr<WorkerState> worker_state;
  std::unique_ptr<batch::Jobs> jobs;
  std::unique_ptr<batch::StreamProofs> proofs;
  std::unique_ptr<batch::Maintenance> maintenance;
  std::unique_ptr<kinesis::Service> kinesis_api;
  std::unique_ptr<serve::Api> api;
  std::optional<S3Readers> s3_readers;

  std::mutex mutex;
  std::string failure;  // Guarded by mutex. Why it cannot go on; empty: it can.
  std::function<void(const base::Error&)> on_fatal;

  lake::Tools lake_tools(sql::Instance& engine) {
    lake::Tools tools{world.disk, engine, world.clock, world.random, world.telemetry()};
    tools.tables = pipeline.lake;
    if (s3_lake) {
      tools.store = &s3_lake->store();
      tools.tables = s3_lake->tables();
      tools.cache = s3_lake->cache();
    }
    return tools;
  }

  base::Result<void> open_engines();
  base::Result<std::unique_ptr<sql::Instance>> open_engine(int threads, std::uint64_t memory,
                                                           const os::Path& spill);
  base::Result<void> open_sources();
  base::Result<void> open_worker();
  base::Result<void> open_alerts();
  base::Result<void> open_jobs();
  base::Result<void> open_kinesis_api();
  base::Result<void> open_api();
  base::Result<void> keep_reading_s3();
  std::vector<serve::LookupStatus> lookup_status() const;
  std::vector<std::string> unready();
};

}  // namespace millrace::app
