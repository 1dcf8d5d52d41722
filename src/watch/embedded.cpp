#include "watch/embedded.hpp"

#include <map>
#include <nlohmann/json.hpp>

namespace millrace::watch {
namespace {

using Json = nlohmann::ordered_json;
using Dimensions = std::map<std::string, std::string>;

Json value_of(const aws::MetricDatum& datum) {
  if (datum.values.size() == 1 && datum.counts.front() == 1) return datum.values.front();
  double count = 0;
  double sum = 0;
  for (std::size_t i = 0; i < datum.values.size(); ++i) {
    count += datum.counts[i];
    sum += datum.values[i] * datum.counts[i];
  }
  return {{"Values", datum.values},
          {"Counts", datum.counts},
          {"Min", *std::ranges::min_element(datum.values)},
          {"Max", *std::ranges::max_element(datum.values)},
          {"Count", count},
          {"Sum", sum}};
}

/// Metrics of the same dimensions, as documents.
class Documents {
 public:
  Documents(const Dimensions& dimensions, base::Time at, const aws::CloudWatchOptions& options)
      : dimensions_(dimensions), at_(at), options_(options) {}

  void add(const aws::MetricDatum& datum) {
    auto value = value_of(datum);
    const auto bytes = 2 * datum.name.size() + value.dump().size() + kMetricBytes;
    if (metrics_.size() == kEmbeddedMetricsMax || bytes_ + bytes > kEmbeddedBytesMax) close();
    Json metric{{"Name", datum.name}, {"Unit", datum.unit}};
    if (options_.is_high_resolution) metric["StorageResolution"] = 1;
    metrics_.push_back(std::move(metric));
    values_[datum.name] = std::move(value);
    bytes_ += bytes;
  }

  std::vector<std::string> take() {
    close();
    return std::move(lines_);
  }

 private:
  static constexpr std::size_t kMetricBytes = 80;        // what stands around names and values
  static constexpr std::size_t kFrameBytes = 64 * 1024;  // room for namespace and dimensions

  void close() {
    if (metrics_.empty()) return;
    const auto millis =
        std::chrono::duration_cast<std::chrono::milliseconds>(at_.time_since_epoch());
    Json names = Json::array();
    for (const auto& [name, value] : dimensions_) names.push_back(name);
    Json directive{{"Namespace", options_.name_space},
                   {"Dimensions", Json::array({names})},
                   {"Metrics", std::move(metrics_)}};
    Json document{{"_aws",
                   {{"Timestamp", millis.count()},
                    {"CloudWatchMetrics", Json::array({std::move(directive)})}}}};
    for (const auto& [name, value] : dimensions_) document[name] = value;
    for (const auto& [name, value] : values_.items()) document[name] = value;
    lines_.push_back(document.dump());
    metrics_ = Json::array();
    values_ = Json::object();
    bytes_ = kFrameBytes;
  }

  const Dimensions& dimensions_;
  const base::Time at_;
  const aws::CloudWatchOptions& options_;
  Json metrics_ = Json::array();
  Json values_ = Json::object();
  std::size_t bytes_ = kFrameBytes;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> embedded_lines(std::span<const aws::MetricDatum> data, base::Time at,
                                        const aws::CloudWatchOptions& options) {
  std::map<Dimensions, std::vector<const aws::MetricDatum*>> groups;
  for (const auto& datum : data) groups[datum.dimensions].push_back(&datum);
  std::vector<std::string> lines;
  for (const auto& [dimensions, members] : groups) {
    Documents documents(dimensions, at, options);
    for (const auto* datum : members) documents.add(*datum);
    for (auto& line : documents.take()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace millrace::watch
