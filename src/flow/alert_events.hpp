#pragma once

#include <chrono>
#include <string>

#include "base/telemetry.hpp"
#include "flow/alert.hpp"

namespace millrace::flow {

struct DeliveryStatus;

namespace events {

void alert_settled(base::Telemetry telemetry, const DeliveryName& name, const AlertRow& row,
                   AlertOutcome outcome, std::chrono::microseconds took);
/// A message whose rows are given up.
void alert_dead(base::Telemetry telemetry, const DeliveryName& name, const std::string& id,
                int attempts, const std::string& error);
void alert_retried(base::Telemetry telemetry, const DeliveryName& name, const AlertMessage& message,
                   std::chrono::microseconds wait);
void alert_reading_failed(base::Telemetry telemetry, const DeliveryName& name,
                          const base::Error& error);
void alert_history_failed(base::Telemetry telemetry, const base::Error& error);
void alert_gauges(base::Telemetry telemetry, const DeliveryStatus& status);

}  // namespace events
}  // namespace millrace::flow
