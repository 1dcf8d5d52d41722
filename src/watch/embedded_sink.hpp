#pragma once

#include <optional>

#include "os/disk.hpp"
#include "watch/exporter.hpp"

namespace millrace::watch {

/// Writes data as lines of the embedded metric format. A file is opened anew each time, so that it
/// may be rotated. What cannot be written is dropped. Threads: one at a time.
class EmbeddedSink final : public MetricSink {
 public:
  struct Options {
    aws::CloudWatchOptions format;
    os::Path to;  ///< empty: standard output
  };
  EmbeddedSink(Options options, os::Disk& disk, base::Telemetry telemetry)
      : options_(std::move(options)), disk_(disk), telemetry_(telemetry) {}

  std::string_view name() const override { return "embedded"; }
  void take(std::vector<aws::MetricDatum> data, base::Time at,
            const std::stop_token& stop) override;

 private:
  base::Result<void> write(const std::string& text);

  const Options options_;
  os::Disk& disk_;
  base::Telemetry telemetry_;
  std::optional<base::Code> trouble_;  ///< what was last logged
};

}  // namespace millrace::watch
