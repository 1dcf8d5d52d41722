#pragma once

#include <memory>
#include <vector>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "watch/exporter.hpp"

namespace millrace::app {

/// Sends the program's metrics where the pipeline file says, and a last time at the end.
class MetricsExports {
 public:
  /// `world` must outlive it.
  /// Errors  Invalid: no region for CloudWatch. Those of `aws::Session::open`. Each with the mend.
  static base::Result<std::unique_ptr<MetricsExports>> start(const config::MetricsTargets& targets,
                                                             World& world);
  /// Waits a few seconds at most for the last metrics to be sent.
  ~MetricsExports();

 private:
  MetricsExports() = default;
  std::vector<std::unique_ptr<watch::Exporter>> exporters_;
};

}  // namespace millrace::app
