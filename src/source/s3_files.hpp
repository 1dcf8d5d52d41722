#pragma once

#include <memory>

#include "aws/s3.hpp"
#include "base/clock.hpp"
#include "source/file_store.hpp"

namespace millrace::source {

/// The objects of a bucket that match the glob of a `files` source. Both must outlive it.
/// Errors  Invalid: a glob whose wildcards stand too early, or a bucket's name that cannot be.
base::Result<std::unique_ptr<FileStore>> open_s3_files(const config::Source& source,
                                                       aws::Client& client,
                                                       const base::Clock& clock);

}  // namespace millrace::source
