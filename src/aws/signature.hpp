#pragma once

#include <string>

#include "aws/signing.hpp"

namespace millrace::aws {

/// The signature (hex) of a canonical request that is at hand already.
base::Result<std::string> signature_of(const std::string& canonical_request,
                                       const Credentials& credentials,
                                       const SigningOptions& options);

}  // namespace millrace::aws
