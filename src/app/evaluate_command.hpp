#pragma once

#include <string>

#include "app/commands.hpp"
#include "verify/evaluate.hpp"
#include "verify/reference_job.hpp"

namespace millrace::app {

/// `millrace evaluate`.
struct EvaluateOptions {
  os::Path file;
  os::Path data;  ///< ask the instance that runs there; empty: one of our own, in a new folder
  std::string duration;  ///< empty here and below: as verify::EvaluateOptions has it
  std::string burst;
  verify::EvaluateOptions evaluate;
  Output output = Output::Table;
};
Exit evaluate(const EvaluateOptions& options, Screen& screen);

}  // namespace millrace::app
