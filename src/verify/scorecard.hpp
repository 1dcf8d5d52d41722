#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "verify/instance_check.hpp"
#include "verify/latencies.hpp"
#include "verify/sender.hpp"
#include "verify/truth.hpp"

namespace millrace::verify {

/// One line of a scorecard: what was promised, what was measured.
struct Measure {
  std::string name;
  std::string target;
  std::string measured;
  bool is_met = false;
};

/// All that was measured, before it is judged.
struct Measurements {
  SendReport sent;
  Latencies
      visible_calm;  ///< from the time a record was due to the answer of a query that shows it
  Latencies visible_burst;
  std::size_t never_visible = 0;  ///< markers that no query showed in time
  std::uint64_t burst_records = 0;
  double burst_factor = 0;
  std::chrono::microseconds burst_length{0};
  RowFindings rows;
  ExpectedRejects rejects_expected;
  ExpectedRejects rejects_seen;
  TotalFindings totals;
  std::chrono::microseconds job_time{0};
  std::vector<std::string> job_failures;
  ReportFindings report;
};

/// What the reference job promises.
struct Targets {
  std::chrono::microseconds latency_p99{1'000'000};
  std::chrono::microseconds report_time{5'000'000};
  double flags = 0.99;
};

struct Scorecard {
  std::vector<Measure> measures;
  std::vector<std::string> notes;  ///< examples of what is amiss
  Measurements measurements;

  bool is_met() const;
};

Scorecard judge(Measurements measurements, const Targets& targets = {});

enum class Colour : std::uint8_t { No, Yes };

/// An aligned table with a line for each measure, and what is amiss below it.
std::string render_table(const Scorecard& scorecard, Colour colour);
/// The same as one JSON object, with the numbers themselves under `measurements`.
std::string render_json(const Scorecard& scorecard);

/// `3.2 ms`, `1.25 s`, `850 us`.
std::string format_latency(std::chrono::microseconds latency);

}  // namespace millrace::verify
