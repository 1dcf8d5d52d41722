#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "aws/cloudwatch.hpp"
#include "base/clock.hpp"
#include "base/telemetry.hpp"
#include "config/pipeline.hpp"
#include "watch/metric_data.hpp"

namespace millrace::watch {

/// Where metric data go.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  virtual std::string_view name() const = 0;
  /// Sends them, or keeps or drops them; it tells of that itself. Ends soon when `stop` asks.
  virtual void take(std::vector<aws::MetricDatum> data, base::Time at,
                    const std::stop_token& stop) = 0;
};

struct ExporterParts {
  config::MetricsExport what;
  std::unique_ptr<MetricSink> sink;
  const base::Clock& clock;
  base::Telemetry telemetry;           ///< its metrics are what is sent
  std::function<void()> refresh = {};  ///< called before they are read
};

/// Hands all metrics to a sink, every so often. Threads: one of its own.
class Exporter {
 public:
  explicit Exporter(ExporterParts parts);
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;
  /// At once: what was not taken is lost.
  ~Exporter();

  /// Hands over the metrics a last time and waits until the sink is done, or `deadline` is over.
  void finish(std::chrono::milliseconds deadline);

 private:
  void run(const std::stop_token& stop);
  void take(const std::stop_token& stop);

  const ExporterParts parts_;
  MetricDataTaker taker_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_ending_ = false;  // Guarded by mutex_.
  bool is_done_ = false;    // Guarded by mutex_.
  std::jthread thread_;
};

}  // namespace millrace::watch
