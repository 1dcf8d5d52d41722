#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/aws_keys.hpp"
#include "app/memory_plan.hpp"
#include "app/world.hpp"
#include "batch/run_row.hpp"
#include "config/pipeline.hpp"
#include "flow/worker.hpp"
#include "http/router.hpp"

namespace millrace::app {

struct InstanceOptions {
  os::Path data;  ///< its lock must be held
  MemoryPlan memory;
  std::size_t job_threads = 0;  ///< partitions of a job computed at once; 0: two a core, at most 8
  flow::UnknownSource unknown_source = flow::UnknownSource::Stop;
  bool reads_streams = true;               ///< of others (Kinesis); false: only what is committed
  bool is_handed_in = false;               ///< functions of Lambda read the streams, of all kinds
  bool accepts_lost_records = false;       ///< go on behind what a stream no longer retains
  std::uint64_t lake_cache_bytes = 2_GiB;  ///< copies of files on S3; 0: none are kept
  std::uint64_t report_cache_bytes = 32_MiB;  ///< results of reports; 0: none are kept
  AwsKeys aws_keys = {};  ///< empty: Kinesis requests need no signature, but must be this machine's
};

/// A pipeline at work on a data folder: streams, sources, lookups, engines, tables, worker, jobs
/// and the API over them. It does not listen: `run` puts a server before its router, companions ask
/// the router themselves. Threads: safe from any, but `start` and `stop` one at a time.
class Instance {
 public:
  /// Builds everything and takes up where the tables stand. `world` must outlive it.
  /// Errors  Invalid: the file's SQL, a lookup, or tables that do not fit the file. Corrupt: stored
  /// bytes are damaged, with the place.
  static base::Result<std::unique_ptr<Instance>> open(config::Pipeline pipeline,
                                                      InstanceOptions options, World& world);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  /// Without a commit, unless `stop` came before.
  ~Instance();

  /// Begins to read. `on_fatal` is called once, from any thread, if it cannot go on.
  void start(std::function<void(const base::Error&)> on_fatal);
  /// Begins to run jobs when they are due, and to send alerts. After `start`.
  void start_schedule();
  /// Begins to send metrics where the file says.
  /// Errors  those of `MetricsExports::start`.
  base::Result<void> start_export();
  /// Waits until the tables have all that is durable in the streams now.
  base::Result<void> catch_up(std::chrono::microseconds timeout);

  // Instead of `start_schedule`, step by step:
  /// Runs jobs that are due, loads what they made, and waits for all of it. True: some wait for
  /// records, or for each other.
  base::Result<bool> run_due();
  /// Puts all tables in order.
  base::Result<std::vector<batch::RunRow>> maintain();
  /// Sends the alerts of all rows that are committed now.
  /// Errors  Unavailable: not in time.
  base::Result<void> send_alerts(std::chrono::microseconds timeout);
  base::Result<std::vector<batch::RunRow>> runs_since(base::Time begun);
  /// Ends jobs and maintenance that are under way; from any thread.
  void stop_batch();

  const config::Pipeline& pipeline() const;
  const http::Router& router() const;
  /// Ends answers that would go on for minutes. Before the server is stopped.
  void end_subscriptions();
  /// Ends the jobs and the worker, which commits what is in the hot rows, and the streams. Whoever
  /// calls the router must have stopped.
  base::Result<void> stop();

 private:
  struct Parts;
  explicit Instance(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace millrace::app
