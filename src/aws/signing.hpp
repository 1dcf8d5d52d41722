#pragma once

#include <chrono>
#include <string>

#include "aws/credentials.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "http/message.hpp"

namespace millrace::aws {

struct SigningOptions {
  std::string region;
  std::string service;  ///< of the signature: `kinesis`, `s3`; `s3` also brings S3's own rules
  base::Time at;
};

/// Signs `request` by Signature Version 4: sets `Authorization`, `X-Amz-Date`, for temporary
/// credentials `X-Amz-Security-Token`, for S3 `X-Amz-Content-Sha256`. Signing again replaces them.
/// The target must be percent-encoded as it is sent; `Host` must be among the headers.
/// Errors  Invalid: the libraries refuse the request.
/// Threads: safe from any.
/// Source  AWS General Reference, "Signature Version 4"; S3's rules: its path is encoded once and
/// not normalised.
base::Result<void> sign(http::Request& request, const Credentials& credentials,
                        const SigningOptions& options);

/// The target with the signature in its query, good for `valid_for` (7 days at most).
base::Result<std::string> presign(const http::Request& request, const Credentials& credentials,
                                  const SigningOptions& options, std::chrono::seconds valid_for);

}  // namespace millrace::aws
