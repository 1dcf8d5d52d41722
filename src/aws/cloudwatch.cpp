#include "aws/cloudwatch.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "http/compression.hpp"

namespace millrace::aws {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

std::string json_of(const MetricDatum& datum, double at_seconds, int resolution) {
  Json json{{"MetricName", datum.name}};
  for (const auto& [name, value] : datum.dimensions) {
    json["Dimensions"].push_back({{"Name", name}, {"Value", value}});
  }
  json["Timestamp"] = at_seconds;
  json["Unit"] = datum.unit;
  json["StorageResolution"] = resolution;
  if (datum.values.size() == 1 && datum.counts.front() == 1) {
    json["Value"] = datum.values.front();
  } else {
    json["Values"] = datum.values;
    json["Counts"] = datum.counts;
  }
  return json.dump();
}

}  // namespace

std::vector<MetricRequest> CloudWatch::requests(std::span<const MetricDatum> data,
                                                base::Time at) const {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch());
  const double at_seconds = static_cast<double>(millis.count()) / 1000;
  const std::string start =
      fmt::format(R"({{"Namespace":{},"MetricData":[)", Json(options_.name_space).dump());
  std::vector<MetricRequest> requests;
  std::string body = start;
  std::size_t count = 0;
  const auto close = [&] {
    if (count == 0) return;
    requests.push_back({at, count, http::compress(http::Encoding::Gzip, body + "]}")});
    body = start;
    count = 0;
  };
  for (const auto& datum : data) {
    const auto text = json_of(datum, at_seconds, options_.is_high_resolution ? 1 : 60);
    if (count == kDataMax || body.size() + text.size() + 3 > kBytesMax) close();
    if (count > 0) body += ',';
    body += text;
    ++count;
  }
  close();
  return requests;
}

Result<void> CloudWatch::put(const MetricRequest& request, const std::stop_token& stop) {
  const auto outcome = TRY(client_.call(
      {.service = kCloudWatch,
       .request = {.method = "POST",
                   .headers = {{"Content-Type",
                                fmt::format("application/x-amz-json-{}", kCloudWatch.json_version)},
                               {"X-Amz-Target",
                                fmt::format("{}.PutMetricData", kCloudWatch.json_target)},
                               {"Content-Encoding", "gzip"}},
                   .body = request.body},
       .silence_max = options_.silence_max},
      stop));
  if (const auto* refused = std::get_if<ServiceError>(&outcome)) {
    return refused->as_error("PutMetricData");
  }
  return {};
}

}  // namespace millrace::aws
