#pragma once

#include <memory>

#include "aws/s3.hpp"
#include "lookup/origin.hpp"

namespace millrace::lookup {

/// An object of a bucket, brought into the folder `scratch`, which is there.
/// Errors  Invalid: a bucket's name that cannot be.
base::Result<std::unique_ptr<Origin>> open_s3_origin(const config::Lookup& lookup,
                                                     aws::Client& client, os::Disk& disk,
                                                     const os::Path& scratch);

}  // namespace millrace::lookup
