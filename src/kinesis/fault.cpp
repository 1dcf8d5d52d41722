#include "kinesis/fault.hpp"

#include <algorithm>
#include <utility>

namespace millrace::kinesis {

using base::Code;
using base::Error;

namespace {

// What a signature's check may answer, too: they need no constant above.
constexpr std::string_view kSignatureFaults[] = {
    "MissingAuthenticationTokenException", "IncompleteSignatureException",
    "InvalidSignatureException", "UnrecognizedClientException"};

bool is_type(std::string_view place) {
  return place.ends_with("Exception") || place == kInternalFailure || place == kServiceUnavailable;
}

Code code_of(std::string_view type) {
  if (type == kResourceNotFound) return Code::NotFound;
  if (type == kAccessDenied || std::ranges::count(kSignatureFaults, type) > 0) return Code::Denied;
  if (type == kThroughputExceeded || type == kLimitExceeded) return Code::Exhausted;
  if (type == kInternalFailure) return Code::Unknown;
  if (type == kServiceUnavailable) return Code::Unavailable;
  return Code::Invalid;
}

}  // namespace

Error fault(std::string_view type, std::string message) {
  return {code_of(type), std::move(message), std::string(type)};
}

Error as_fault(const Error& error) {
  if (is_type(error.place)) return error;
  switch (error.code) {
    case Code::Invalid:
      return fault(kInvalidArgument, error.message);
    case Code::NotFound:
      return fault(kResourceNotFound, error.message);
    case Code::Denied:
      return fault(kAccessDenied, error.message);
    case Code::Exhausted:
      return fault(kThroughputExceeded, error.message);
    case Code::Unavailable:
    case Code::Cancelled:
      return fault(kServiceUnavailable, error.message);
    case Code::Corrupt:
    case Code::Unknown:
      break;
  }
  return fault(kInternalFailure, error.message);
}

int status_of(const Error& fault) {
  if (fault.place == kInternalFailure) return 500;
  if (fault.place == kServiceUnavailable) return 503;
  return 400;
}

}  // namespace millrace::kinesis
