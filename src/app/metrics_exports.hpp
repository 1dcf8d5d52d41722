#pragma once

#include <memory>
#include <vector>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "watch/exporter.hpp"

namespace millrace::app {

/// Sets the gauges of the file system that `data` is on. Threads: safe from any.
void measure_disk(World& world, const os::Path& data);

/// Sends the program's metrics where the pipeline file says, and a last time at the end.
class MetricsExports {
 public:
  /// `world` must outlive it. `data` is the data folder.
  /// Errors  Invalid: no region for CloudWatch. Those of `aws::Session::open`. Each with the mend.
  static base::Result<std::unique_ptr<MetricsExports>> start(const config::MetricsTargets& targets,
                                                             World& world, os::Path data);
  /// Waits a few seconds at most for the last metrics to be sent.
  ~MetricsExports();

 private:
  MetricsExports() = default;
  std::vector<std::unique_ptr<watch::Exporter>> exporters_;
};

}  // namespace millrace::app
