#include "watch/metric_data.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::watch {
namespace {

using base::MetricKind;

constexpr std::size_t kDimensionBytesMax = 1024;
// The embedded format takes no more.
constexpr std::size_t kValuesMax = 100;

std::string dimension_text(std::string text) {
  if (text.find_first_not_of(' ') == std::string::npos) return "";
  text.resize(std::min(text.size(), kDimensionBytesMax));
  std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return text;
}

// More values than may be sent become the least, the greatest and the mean of the others: minimum,
// maximum, sum and average stay what they are.
void put_values(std::vector<double> values, aws::MetricDatum& datum) {
  std::ranges::sort(values);
  if (values.size() > kValuesMax) {
    double sum = 0;
    for (std::size_t i = 1; i + 1 < values.size(); ++i) sum += values[i];
    const auto others = static_cast<double>(values.size() - 2);
    datum.values = {values.front(), sum / others, values.back()};
    datum.counts = {1, others, 1};
    return;
  }
  for (const double value : values) {
    if (!datum.values.empty() && datum.values.back() == value) {
      datum.counts.back() += 1;
      continue;
    }
    datum.values.push_back(value);
    datum.counts.push_back(1);
  }
}

std::map<double, std::uint64_t> difference(const std::map<double, std::uint64_t>& now,
                                           const std::map<double, std::uint64_t>& before) {
  std::map<double, std::uint64_t> added;
  for (const auto& [bound, count] : now) {
    const auto found = before.find(bound);
    const auto last = found == before.end() ? 0 : found->second;
    if (count > last) added[bound] = count - last;
  }
  return added;
}

}  // namespace

std::string_view unit_of(std::string_view name, MetricKind kind) {
  if (name.ends_with("_total")) name.remove_suffix(6);
  if (name.ends_with("_seconds")) return "Seconds";
  if (name.ends_with("_bytes")) return "Bytes";
  return kind == MetricKind::Counter ? "Count" : "None";
}

void spread(const std::map<double, std::uint64_t>& buckets, double sum, aws::MetricDatum& datum) {
  double below = 0;  // the sum if all lay at the lower ends of their buckets
  double span = 0;   // what is added to it if all lay at the upper ends
  double lower = 0;
  std::uint64_t beyond = 0;  // how many lie above the last bound
  for (const auto& [bound, count] : buckets) {
    const auto times = static_cast<double>(count);
    below += times * lower;
    if (std::isinf(bound)) {
      beyond = count;
    } else {
      span += times * (bound - lower);
      lower = bound;
    }
  }
  const double height = span > 0 ? std::clamp((sum - below) / span, 0.0, 1.0) : 0;
  const double rest = std::max(sum - below - height * span, 0.0);
  lower = 0;
  for (const auto& [bound, count] : buckets) {
    const double value = std::isinf(bound) ? lower + rest / static_cast<double>(beyond)
                                           : lower + height * (bound - lower);
    if (!std::isinf(bound)) lower = bound;
    if (count == 0) continue;
    datum.values.push_back(value);
    datum.counts.push_back(static_cast<double>(count));
  }
}

MetricDataTaker::Dimensions MetricDataTaker::dimensions_of(const base::Labels& labels) const {
  auto dimensions = what_.dimensions;
  for (const auto& [name, value] : labels) {
    if (!what_.labels.contains(name)) continue;
    auto text = dimension_text(value);
    if (!text.empty()) dimensions.emplace(name, std::move(text));
  }
  return dimensions;
}

void MetricDataTaker::add_family(const base::MetricFamily& family, Taken& taken) {
  std::map<Dimensions, Group> groups;
  for (const auto& sample : family.samples) {
    if (!std::isfinite(sample.value)) {
      ++taken.left_out;
      continue;
    }
    auto& group = groups[dimensions_of(sample.labels)];
    group.total += sample.value;
    if (family.kind == MetricKind::Gauge) group.values.push_back(sample.value);
    for (const auto& bucket : sample.buckets) group.buckets[bucket.bound] += bucket.count;
  }
  for (auto& [dimensions, group] : groups) {
    aws::MetricDatum datum{.name = family.name,
                           .dimensions = dimensions,
                           .unit = unit_of(family.name, family.kind),
                           .values = {},
                           .counts = {}};
    if (taken.data.size() >= kMetricsMax) {
      ++taken.left_out;
      continue;
    }
    if (family.kind == MetricKind::Gauge) {
      put_values(std::move(group.values), datum);
      taken.data.push_back(std::move(datum));
      continue;
    }
    auto& last = last_[{family.name, dimensions}];
    const double added = group.total - last.total;
    if (family.kind == MetricKind::Counter) {
      put_values({added}, datum);
    } else {
      auto buckets = difference(group.buckets, last.buckets);
      // The ends of buckets are those of all, not only of those that grew.
      for (const auto& [bound, count] : group.buckets) buckets.try_emplace(bound, 0);
      spread(buckets, added, datum);
    }
    last = std::move(group);
    if (!datum.values.empty()) taken.data.push_back(std::move(datum));
  }
}

MetricDataTaker::Taken MetricDataTaker::take(std::span<const base::MetricFamily> families) {
  Taken taken;
  for (const auto& family : families) add_family(family, taken);
  return taken;
}

}  // namespace millrace::watch
