#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "aws/cloudwatch.hpp"
#include "base/units.hpp"
#include "watch/exporter.hpp"

namespace millrace::watch {

using namespace base::literals;

/// Sends data to CloudWatch. While that is away they wait; above the limit the oldest go.
/// Threads: one at a time.
class CloudWatchSink final : public MetricSink {
 public:
  struct Options {
    aws::CloudWatchOptions cloudwatch;
    std::uint64_t queue_bytes_max = 16_MiB;  ///< compressed: some 10,000 requests of a usual size
  };
  /// All must outlive it.
  CloudWatchSink(aws::Client& client, Options options, const base::Clock& clock,
                 base::Telemetry telemetry);

  std::string_view name() const override { return "cloudwatch"; }
  void take(std::vector<aws::MetricDatum> data, base::Time at,
            const std::stop_token& stop) override;

 private:
  enum class Next : std::uint8_t { GoOn, Wait };
  Next send_first(const std::stop_token& stop);
  void drop_first(std::string_view reason);
  void pop_first();
  void note(const std::optional<base::Error>& error);

  aws::CloudWatch cloudwatch_;
  const std::uint64_t queue_bytes_max_;
  const base::Clock& clock_;
  base::Telemetry telemetry_;
  std::deque<aws::MetricRequest> queue_;
  std::uint64_t queue_bytes_ = 0;
  std::optional<base::Code> trouble_;  ///< what was last logged
};

}  // namespace millrace::watch
