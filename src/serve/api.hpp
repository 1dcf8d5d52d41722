#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/telemetry.hpp"
#include "base/units.hpp"
#include "batch/jobs.hpp"
#include "batch/maintenance.hpp"
#include "batch/stream_proofs.hpp"
#include "config/pipeline.hpp"
#include "decode/split.hpp"
#include "flow/alerts.hpp"
#include "flow/query.hpp"
#include "flow/worker.hpp"
#include "http/router.hpp"
#include "log/stream_set.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

using namespace base::literals;

struct ApiOptions {
  decode::SplitLimits ingest;               ///< of one body
  std::size_t inline_bytes_max = 64_KiB;    ///< larger bodies are split by other threads
  std::size_t rows_max = 10'000;            ///< of a JSON answer, unless the request says otherwise
  std::uint64_t answer_bytes_max = 64_MiB;  ///< of a JSON answer; then it is cut
  std::chrono::microseconds timeout = std::chrono::seconds(30);  ///< of a query, unless it says so
  std::chrono::microseconds timeout_max = std::chrono::minutes(10);
  std::chrono::microseconds vacuum_retention_min = std::chrono::hours(1);
  std::size_t quick_threads = 2;
  std::size_t query_threads = 4;
  std::size_t query_queue_max = 64;
  std::uint64_t report_bytes_max = 32_MiB;  ///< results of reports that are kept; 0: none are
  std::size_t operation_threads = 2;
  std::size_t tails_max = 8;  ///< clients that watch a table; each has a thread
};

/// How a lookup is, for status pages.
struct LookupStatus {
  std::string name;
  std::uint64_t rows = 0;
  base::Time loaded_at;
  std::string last_error;  ///< why the newest load failed; empty if it did not
};

/// What the API shows and drives; all must outlive it.
struct ApiParts {
  const config::Pipeline& pipeline;
  std::map<std::string, log::Stream*> streams;  ///< by source
  /// All streams of the data folder, also those that no source names; null: there are only sources.
  const log::StreamSet* all_streams = nullptr;
  flow::QueryEngine& queries;
  flow::CutBoard& board;
  /// What the stream half says of its tables, and its way back for rejects: see flow::Worker.
  std::function<std::vector<flow::TableStatus>()> table_status;
  std::function<base::Result<flow::ReplayStarted>(const flow::ReplayRequest&)> replay;
  batch::Jobs& jobs;
  batch::Maintenance& maintenance;
  batch::StreamProofs& proofs;
  /// Of flow::Alerts; empty functions: there are none.
  std::function<std::vector<flow::DeliveryStatus>()> alert_status;
  std::function<base::Result<flow::AlertsRetried>(const flow::AlertRetry&)> retry_alerts;
  /// Lookups belong to a room that this one does not know.
  std::function<std::vector<LookupStatus>()> lookups;
  /// Why the process should get no work now (it starts, it ends, it failed); empty: it should.
  std::function<std::vector<std::string>()> unready;
  /// Brings gauges up to date that only the owner can measure: when somebody asks for the metrics.
  std::function<void()> measure = [] {};
  /// Answers `POST /`: the Kinesis API, of a room that this one does not know. It must not block.
  http::Handler kinesis;
  const base::Clock& clock;
  base::Telemetry telemetry;
  ApiOptions options = {};
};

/// The HTTP API: docs/http_api.md. Owns the threads that its handlers run on.
class Api {
 public:
  explicit Api(ApiParts parts);
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;
  /// Finishes what has begun. The server must have stopped before.
  ~Api();

  /// Completes the answers that have no end of their own, so that a gentle stop of the server need
  /// not wait for them.
  void end_tails();

  /// Threads: its `handle` from any.
  const http::Router& router() const;
  /// All routes, in no order that means anything.
  const std::vector<Route>& routes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// `millrace` as an OpenAPI 3.1 document, JSON.
std::string_view openapi_document();

}  // namespace millrace::serve
