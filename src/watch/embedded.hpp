#pragma once

#include <span>
#include <string>
#include <vector>

#include "aws/cloudwatch.hpp"
#include "base/clock.hpp"

namespace millrace::watch {

inline constexpr std::size_t kEmbeddedMetricsMax = 100;       ///< of one document
inline constexpr std::size_t kEmbeddedBytesMax = 256 * 1024;  ///< of one document, a log event
inline constexpr std::size_t kEmbeddedValuesMax = 100;        ///< of one metric

/// Data as documents of the embedded metric format, each a line without its end; the metrics of one
/// document have the same dimensions.
///
///     {"_aws":{"Timestamp":1769860800000,"CloudWatchMetrics":[{"Namespace":"Shop",
///      "Dimensions":[["table"]],"Metrics":[{"Name":"rows","Unit":"Count"}]}]},
///      "table":"a","rows":3}
///
/// A distribution is `{"Values":[…],"Counts":[…],"Min":…,"Max":…,"Count":…,"Sum":…}`.
/// Source  CloudWatch user guide, "Specification: Embedded metric format"; distributions as AWS's
///         own library aws-embedded-metrics writes them.
std::vector<std::string> embedded_lines(std::span<const aws::MetricDatum> data, base::Time at,
                                        const aws::CloudWatchOptions& options);

}  // namespace millrace::watch
