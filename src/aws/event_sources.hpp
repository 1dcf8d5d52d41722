#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "aws/client.hpp"

namespace millrace::aws {

/// By which AWS Lambda hands a stream's records to a function.
struct EventSourceMapping {
  std::string id;        ///< a UUID
  std::string function;  ///< its ARN
  std::string state;     ///< `Enabled`
  int parallelization = 1;
  int retries = -1;               ///< -1: without end
  int age_seconds = -1;           ///< older records are given up; -1: never
  bool is_split = false;          ///< a batch that fails is halved
  bool reports_failures = false;  ///< the function says which records are to come again
};

/// All mappings of a stream.
/// Errors  those of `Client::call` and `ServiceError::as_error`; Corrupt: not an answer of Lambda.
/// Source  AWS Lambda API reference, ListEventSourceMappings.
base::Result<std::vector<EventSourceMapping>> event_source_mappings(
    Client& client, const std::string& stream_arn, const std::stop_token& stop = {});

}  // namespace millrace::aws
