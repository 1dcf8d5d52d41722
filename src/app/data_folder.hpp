#pragma once

#include <string>

#include "base/result.hpp"
#include "os/disk.hpp"
#include "os/file_lock.hpp"

namespace millrace::app {

/// The pipeline file that last ran on a data folder: DATA/pipeline.json, for commands that are not
/// given the file.
struct PipelineRecord {
  os::Path file;     ///< absolute: relative paths in the text start there
  std::string text;  ///< as it ran
};

/// Errors  NotFound: nothing ever ran on this folder. Corrupt: it cannot be read.
base::Result<PipelineRecord> read_pipeline_record(os::Disk& disk, const os::Path& data);
base::Result<void> write_pipeline_record(os::Disk& disk, const os::Path& data,
                                         const PipelineRecord& record);

/// Makes the folder if it is missing and takes its lock.
/// Errors  Unavailable: another process has it, and which.
base::Result<os::FileLock> take_data_folder(os::Disk& disk, const os::Path& data);

}  // namespace millrace::app
