#include "base/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace millrace::base {
namespace {

MetricSample sample_of(const prometheus::ClientMetric& metric, MetricKind kind) {
  MetricSample sample;
  for (const auto& label : metric.label) sample.labels.emplace(label.name, label.value);
  if (kind == MetricKind::Counter) sample.value = metric.counter.value;
  if (kind == MetricKind::Gauge) sample.value = metric.gauge.value;
  if (kind != MetricKind::Histogram) return sample;
  sample.value = metric.histogram.sample_sum;
  std::uint64_t below = 0;
  for (const auto& bucket : metric.histogram.bucket) {
    sample.buckets.push_back({bucket.upper_bound, bucket.cumulative_count - below});
    below = bucket.cumulative_count;
  }
  return sample;
}

MetricKind kind_of(prometheus::MetricType type) {
  if (type == prometheus::MetricType::Counter) return MetricKind::Counter;
  return type == prometheus::MetricType::Gauge ? MetricKind::Gauge : MetricKind::Histogram;
}

}  // namespace

void Counter::add(double count) {
  counter_->Increment(count);
}
void Gauge::set(double value) {
  gauge_->Set(value);
}
void Gauge::add(double value) {
  gauge_->Increment(value);
}
void Histogram::observe(double value) {
  histogram_->Observe(value);
}

struct Metrics::State {
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
  return Counter(family.Add(labels));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
  return Gauge(family.Add(labels));
}

Histogram Metrics::histogram(const std::string& name, const std::string& help,
                             const std::vector<double>& bounds, const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry);
  return Histogram(family.Add(labels, bounds));
}

std::string Metrics::exposition() const {
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

std::vector<MetricFamily> Metrics::snapshot() const {
  std::vector<MetricFamily> families;
  for (const auto& collected : state_->registry.Collect()) {
    MetricFamily family{.name = collected.name, .kind = kind_of(collected.type), .samples = {}};
    for (const auto& metric : collected.metric) {
      family.samples.push_back(sample_of(metric, family.kind));
    }
    families.push_back(std::move(family));
  }
  return families;
}

const std::vector<double>& latency_bounds() {
  static const std::vector<double> kBounds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                           0.2,    0.5,   1,     2,     5,    10,   30,   60};
  return kBounds;
}

}  // namespace millrace::base
