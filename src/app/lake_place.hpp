#pragma once

#include <string>

#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::app {

/// Whether the tables of a data folder lie where the pipeline says.
/// Errors  Invalid: they lie somewhere else, with the mend.
base::Result<void> check_lake_place(os::Disk& disk, const os::Path& data, const std::string& place);

/// Sees to it that the tables of a data folder stay where they are: with another `lake:` they would
/// begin anew, without the rows that the streams no longer have.
/// `place` is `s3://bucket/prefix`, or empty for the data folder itself.
/// Errors  Invalid: they lie somewhere else, with the mend.
base::Result<void> keep_lake_place(os::Disk& disk, const os::Path& data, const std::string& place);

}  // namespace millrace::app
