#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "aws/client.hpp"
#include "base/clock.hpp"

namespace millrace::aws {

/// What one metric was at one moment, or over the time up to it: values, and how often each was
/// seen. One value seen once is a plain number.
struct MetricDatum {
  std::string name;                               ///< 1 to 255 ASCII characters
  std::map<std::string, std::string> dimensions;  ///< 30 at most, of ASCII, none empty
  std::string_view unit = "None";                 ///< `Count`, `Seconds`, `Bytes`
  std::vector<double> values;                     ///< finite, 150 at most
  std::vector<double> counts;                     ///< as many
};

/// A PutMetricData request, ready to send.
struct MetricRequest {
  base::Time at;          ///< when its data were measured
  std::size_t count = 0;  ///< of its data
  std::string body;       ///< gzip
};

struct CloudWatchOptions {
  std::string name_space;
  bool is_high_resolution = false;  ///< kept by the second, not by the minute
  std::chrono::milliseconds silence_max{10'000};
};

/// CloudWatch's PutMetricData. Threads: safe from any. The client must outlive it.
/// Source  the CloudWatch API reference, PutMetricData and MetricDatum; "CloudWatch service
/// quotas".
class CloudWatch {
 public:
  static constexpr std::size_t kDataMax = 1000;  ///< of one request
  static constexpr std::size_t kBytesMax = 1'000'000;
  static constexpr std::size_t kValuesMax = 150;
  /// Data may lie this far back, no further.
  static constexpr auto kAgeMax = std::chrono::days(14);

  CloudWatch(Client& client, CloudWatchOptions options)
      : client_(client), options_(std::move(options)) {}

  /// Puts data into as many requests as their limits ask for.
  std::vector<MetricRequest> requests(std::span<const MetricDatum> data, base::Time at) const;
  /// Sends one. Sent again after a lost answer it may count twice.
  /// Errors  those of `Client::call` and `ServiceError::as_error`.
  base::Result<void> put(const MetricRequest& request, const std::stop_token& stop = {});

 private:
  Client& client_;
  const CloudWatchOptions options_;
};

}  // namespace millrace::aws
