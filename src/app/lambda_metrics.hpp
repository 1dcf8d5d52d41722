#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "watch/metric_data.hpp"

namespace millrace::app {

/// The metrics of a function, as lines of the embedded metric format on standard output, which
/// CloudWatch Logs makes metrics of. A function may be frozen for good after any answer, so what an
/// invocation counted is written before it; how things stand, gauges, only now and then.
/// Threads: one at a time.
class LambdaMetrics {
 public:
  /// Namespace, dimensions and labels are those of the file's `embedded`, or `cloudwatch`; if it
  /// has neither, the namespace is `Millrace`.
  LambdaMetrics(const config::MetricsTargets& targets, World& world);

  void write();

 private:
  void write_counts(std::vector<base::MetricFamily> families);
  void write_gauges(std::vector<base::MetricFamily> families);
  void print(const std::vector<aws::MetricDatum>& data);

  using Key = std::pair<std::string, std::map<std::string, std::string>>;
  const config::MetricsExport what_;
  World& world_;
  watch::MetricDataTaker counts_;
  watch::MetricDataTaker gauges_;
  std::set<Key> told_;  // gauges that were written last and were not zero
  base::SteadyTime gauges_at_{};
};

}  // namespace millrace::app
