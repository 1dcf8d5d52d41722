#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::kinesis {

/// An error as AWS names it: its type is the error's place.
base::Error fault(std::string_view type, std::string message);

/// What a client is told about an error: one of ours as it is, any other (of the log, of the disk)
/// as the fault that says the same.
base::Error as_fault(const base::Error& error);

int status_of(const base::Error& fault);

inline constexpr std::string_view kResourceNotFound = "ResourceNotFoundException";
inline constexpr std::string_view kResourceInUse = "ResourceInUseException";
inline constexpr std::string_view kInvalidArgument = "InvalidArgumentException";
inline constexpr std::string_view kLimitExceeded = "LimitExceededException";
inline constexpr std::string_view kThroughputExceeded = "ProvisionedThroughputExceededException";
inline constexpr std::string_view kExpiredIterator = "ExpiredIteratorException";
inline constexpr std::string_view kExpiredToken = "ExpiredNextTokenException";
inline constexpr std::string_view kValidation = "ValidationException";
inline constexpr std::string_view kSerialization = "SerializationException";
inline constexpr std::string_view kAccessDenied = "AccessDeniedException";
inline constexpr std::string_view kUnknownOperation = "UnknownOperationException";
inline constexpr std::string_view kInternalFailure = "InternalFailure";
inline constexpr std::string_view kServiceUnavailable = "ServiceUnavailable";

}  // namespace millrace::kinesis
