#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "batch/partition.hpp"
#include "batch/warehouse.hpp"
#include "config/pipeline.hpp"

namespace millrace::batch {

/// Partitions of one job that an engine is to compute, in one run of its own.
struct EngineOrder {
  std::string token;  ///< names the order; a run's id is it, `-` and the partition's label
  int attempt = 1;
  std::string job;
  std::string partitions;         ///< `2026-11-01..2026-11-20,2026-11-22`, or `all`
  std::uint32_t fingerprint = 0;  ///< of the job's SQL, which the engine must have too

  /// `20261120T010000Z-1a2b3c4d`, further attempts `…/2`
  std::string id() const;
};

/// What computes runs of jobs elsewhere, with the package `millrace_spark`. The claims of the
/// partitions are ours. It commits to the job's table alone, where the runs are named, and tells in
/// a file how each went: `read_told`.
/// Threads: safe from any; it must not be destroyed while it runs.
class Engine {
 public:
  virtual ~Engine() = default;
  /// `spark`, `glue`
  virtual std::string_view name() const = 0;
  /// What it runs goes on when this process ends, and may be found again.
  virtual bool outlives_process() const = 0;
  /// How long one run may take; a run that outlives us ends by then.
  virtual std::chrono::microseconds timeout() const = 0;

  /// Starts a run, and waits for its end.
  /// Errors  what kept it from starting, or how it ended. Those that may pass are worth another
  ///         attempt. Cancelled: a stop; what outlives us goes on.
  virtual base::Result<void> run(const EngineOrder& order, const std::stop_token& stop) = 0;
  /// Waits for the end of a run that an earlier process started.
  /// Errors  as `run`. NotFound: there was none.
  virtual base::Result<void> follow(const std::string& token, const std::stop_token& stop) = 0;
};

/// `2026-11-01..2026-11-20,2026-11-22` for partitions in order; `all` without `each`.
std::string ranges_of(const std::vector<Partition>& partitions, const config::TimeZone& zone);

/// What engines need; all must outlive them.
struct EngineParts {
  const config::Pipeline& pipeline;
  os::Path folder;  ///< the data folder
  base::Telemetry telemetry;
  OpenAws aws;
};

/// spark-submit, which runs beside this process and ends with it.
std::unique_ptr<Engine> make_spark_submit(EngineParts parts);

struct GluePace {
  std::chrono::milliseconds first = std::chrono::seconds(2);  ///< between two looks; it grows
  std::chrono::milliseconds longest = std::chrono::seconds(30);
};
/// A job of AWS Glue.
std::unique_ptr<Engine> make_glue_job(EngineParts parts, GluePace pace = {});

}  // namespace millrace::batch
