#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "watch/metric_data.hpp"

namespace millrace::app {

/// The metrics of a function, as lines of the embedded metric format on standard output, which
/// CloudWatch Logs makes metrics of. They are written between invocations, so that nothing has to
/// run when the function rests.
/// Threads: one at a time.
class LambdaMetrics {
 public:
  /// Namespace, dimensions and labels are those of the file's `embedded`, or `cloudwatch`; if it
  /// has neither, the namespace is `Millrace`.
  LambdaMetrics(const config::MetricsTargets& targets, World& world);

  /// Writes what changed, unless it was written a moment ago.
  void write_due();
  void write();

 private:
  const config::MetricsExport what_;
  World& world_;
  watch::MetricDataTaker taker_;
  using Key = std::pair<std::string, std::map<std::string, std::string>>;
  std::set<Key> told_;  // what was written last and was not zero
  base::SteadyTime written_at_{};
};

}  // namespace millrace::app
