#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "aws/cloudwatch.hpp"
#include "base/metrics.hpp"
#include "config/pipeline.hpp"

namespace millrace::watch {

/// Makes CloudWatch's data of the program's metrics. What differs only in labels that are no
/// dimensions becomes one metric: counters and histograms are summed, of gauges all values are
/// kept, so that their maximum and their sum are both there.
/// Threads: one at a time.
class MetricDataTaker {
 public:
  static constexpr std::size_t kMetricsMax = 5000;

  explicit MetricDataTaker(config::MetricsExport what) : what_(std::move(what)) {}

  struct Taken {
    std::vector<aws::MetricDatum> data;
    std::size_t left_out = 0;  ///< above `kMetricsMax`, or with a value that is no number
  };
  /// Shape   counters: what was added since the last time, also 0. Gauges: their values.
  /// Histograms:
  ///         what was observed since the last time, nothing if that is nothing.
  Taken take(std::span<const base::MetricFamily> families);

 private:
  using Dimensions = std::map<std::string, std::string>;
  /// The metrics that become one, together.
  struct Group {
    double total = 0;
    std::map<double, std::uint64_t> buckets;
    std::vector<double> values;  ///< of gauges
  };
  Dimensions dimensions_of(const base::Labels& labels) const;
  void add_family(const base::MetricFamily& family, Taken& taken);

  const config::MetricsExport what_;
  std::map<std::pair<std::string, Dimensions>, Group> last_;
};

/// `Seconds`, `Bytes`, `Count` or `None`, by what the name ends in.
std::string_view unit_of(std::string_view name, base::MetricKind kind);

/// Values for what lies in buckets: all at the same height within their buckets, so chosen that
/// their sum is `sum`. Percentiles are right to the bucket, the average to the digit.
/// `{0.1: 2, 0.2: 2}` with the sum 0.5 are 0.075 and 0.175, twice each.
void spread(const std::map<double, std::uint64_t>& buckets, double sum, aws::MetricDatum& datum);

}  // namespace millrace::watch
