#pragma once

#include <memory>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "flow/alert.hpp"

namespace millrace::app {

/// Opens the place that messages of `alert` go to. `world` must outlive it.
/// Errors  of AWS' settings: no region, a broken profile.
base::Result<std::unique_ptr<flow::AlertSink>> open_alert_sink(const config::Alert& alert,
                                                               const config::AlertTarget& target,
                                                               World& world);

}  // namespace millrace::app
