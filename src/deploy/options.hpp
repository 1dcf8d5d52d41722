#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace millrace::deploy {

enum class Worker : std::uint8_t { Lambda, Fargate };
enum class CodeForm : std::uint8_t { Zip, Image };

/// How a pipeline is to run on AWS.
struct Options {
  std::string stage = "prod";
  Worker worker = Worker::Lambda;
  CodeForm code = CodeForm::Zip;
  double records_per_second = 100;  ///< of each stream
  std::uint64_t record_bytes = 300;
  double burst = 10;  ///< how many times the rate at its highest
  bool is_on_demand = false;
  std::chrono::hours retention{24};        ///< of the streams
  int window_seconds = 1;                  ///< how long records are gathered for one invocation
  int memory_mib = 1769;                   ///< of the stream's function or task
  int jobs_memory_mib = 3008;              ///< of the function that runs jobs
  std::vector<std::string> existing = {};  ///< names of what is there already, and only used
  bool deletes_data = false;               ///< the data go with the stack
};

/// Errors  Invalid: which option is out of range, with the range.
base::Result<void> check(const Options& options);

}  // namespace millrace::deploy
