#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "verify/api_client.hpp"
#include "verify/generator.hpp"
#include "verify/scorecard.hpp"

namespace millrace::verify {

struct EvaluateOptions {
  ApiAddress address = {};
  std::uint64_t seed = 1;
  double records_per_second = 100;
  std::chrono::microseconds duration{30'000'000};
  Burst burst{.factor = 10, .start = std::chrono::seconds(15), .length = std::chrono::seconds(5)};
  Shares shares{.invalid = 0.02, .late = 0.02, .duplicate = 0.02};
  std::string timezone = "Europe/Berlin";  ///< of the pipeline
  std::uint64_t records_per_body = 1;
  std::size_t connections = 16;
  std::chrono::microseconds poll_every{5'000};       ///< at least, between two looks for new rows
  std::chrono::microseconds settle_max{20'000'000};  ///< waits so long for rows without seeing more
  Targets targets = {};
};

/// How far it is: for a status line.
struct EvaluateProgress {
  std::string_view phase;  ///< `sending`, `settling`, `comparing`, `totals`, `report`
  double done = 0;         ///< of the phase, 0 to 1
  bool is_burst = false;
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;
  std::chrono::microseconds visible_p99{0};  ///< so far
};

/// Sends labelled orders to a running instance of the reference job and measures, over HTTP alone,
/// what became of them. Others may have sent before, but nobody else may send meanwhile.
/// `on_progress` is called about ten times a second.
/// Errors  Invalid: an option out of range, or the instance refused a question. Unavailable: it
/// cannot be reached. Cancelled: it was stopped. A target that is missed is no error.
base::Result<Scorecard> evaluate(
    const EvaluateOptions& options, const base::Clock& clock, const std::stop_token& stop = {},
    const std::function<void(const EvaluateProgress&)>& on_progress = {});

}  // namespace millrace::verify
