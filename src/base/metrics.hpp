#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace millrace::base {

class Counter {
 public:
  void add(double count = 1);

 private:
  friend class Metrics;
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  prometheus::Counter* counter_;
};

class Gauge {
 public:
  void set(double value);
  void add(double value);

 private:
  friend class Metrics;
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  prometheus::Gauge* gauge_;
};

class Histogram {
 public:
  void observe(double value);

 private:
  friend class Metrics;
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
  prometheus::Histogram* histogram_;
};

using Labels = std::map<std::string, std::string>;

enum class MetricKind : std::uint8_t { Counter, Gauge, Histogram };

/// A metric with its labels, as it stood at one moment.
struct MetricSample {
  /// How many values were above the bound before this one and not above `bound`.
  struct Bucket {
    double bound = 0;  ///< the last one's is infinite
    std::uint64_t count = 0;
  };
  Labels labels;
  double value = 0;  ///< of a histogram: the sum of what it observed
  std::vector<Bucket> buckets = {};
};

struct MetricFamily {
  std::string name;
  MetricKind kind = MetricKind::Counter;
  std::vector<MetricSample> samples;
};

/// The program's numbers. Names follow Prometheus: `millrace_<what>_<unit>`, counters end in
/// `_total`. Asking twice for the same name and labels gives the same number. Handles stay good as
/// long as the Metrics lives.
/// Threads: safe from any.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  /// `bounds` are the upper bounds of the buckets, ascending, in the unit of the name.
  Histogram histogram(const std::string& name, const std::string& help,
                      const std::vector<double>& bounds, const Labels& labels = {});

  /// All of them in Prometheus' text format.
  std::string exposition() const;
  /// All of them as numbers.
  std::vector<MetricFamily> snapshot() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Bucket bounds for latencies in seconds, 0.5 ms to 60 s.
const std::vector<double>& latency_bounds();

}  // namespace millrace::base
