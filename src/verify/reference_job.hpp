#pragma once

#include <string_view>

#include "base/result.hpp"
#include "config/pipeline.hpp"

namespace millrace::verify {

/// The parts of the reference job, as examples/orders/orders.yaml names them.
struct ReferenceJob {
  static constexpr std::string_view kStream = "orders";
  static constexpr std::string_view kTable = "checked_orders";
  static constexpr std::string_view kJob = "daily_sales";
  static constexpr std::string_view kReport = "top_customers";
};

/// Says what a pipeline lacks to be the reference job.
/// Errors  Invalid: the first thing that is missing, and where.
base::Result<void> check_reference_job(const config::Pipeline& pipeline);

}  // namespace millrace::verify
