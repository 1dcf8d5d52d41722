#pragma once

#include <chrono>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/result.hpp"

namespace millrace::batch {

/// How long the waits between attempts grow at most.
inline constexpr std::chrono::microseconds kRetryWaitMax = std::chrono::hours(1);

/// True for what may be otherwise the next time. Wrong SQL, wrong data and sides that do not agree
/// are not: the same versions would give the same again.
bool may_pass(const base::Error& error);

/// Names a run: its time, and some letters at random.
std::string new_run_id(base::Time time, base::Random& random);

/// False if a stop was asked for meanwhile.
bool wait(const base::Clock& clock, std::chrono::microseconds time, const std::stop_token& stop);

}  // namespace millrace::batch
