#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/cron.hpp"

namespace millrace::deploy {

/// Expressions of EventBridge Scheduler that together fire when `cron` does: six fields, days of
/// the week from 1, Sunday, and one of the two days is `?`.
///
///     "30 1 * * mon-fri"   cron(30 1 ? * 2-6 *)
///     "0 4 1 * sun"        cron(0 4 1 * ? *) and cron(0 4 ? * 1 *): crontab fires on either
///
/// Around clock changes they differ: EventBridge leaves a time out that does not exist, and fires
/// once where the hour is repeated.
/// Errors  Invalid: it cannot be said there.
/// Source  EventBridge Scheduler user guide, "Schedule types".
base::Result<std::vector<std::string>> eventbridge_schedules(const config::Cron& cron);

/// The longest time between two firings of the years 2025 to 2028.
std::chrono::seconds longest_pause(const config::Cron& cron);

}  // namespace millrace::deploy
