#pragma once

#include <memory>

#include "config/pipeline.hpp"
#include "log/stream.hpp"
#include "os/disk.hpp"
#include "source/source.hpp"

namespace millrace::source {

/// The files of a folder as a source of one shard: oldest name first, each read once, new ones
/// looked for every second. `state_folder` remembers which files were found.
/// docs/formats/files_source.md. Errors  Invalid: the source is no `files` source, or its glob is
/// none of one folder. NotFound: no such folder. Corrupt: `state_folder` is damaged.
base::Result<std::unique_ptr<Source>> open_files_source(const config::Source& source,
                                                        const os::Path& state_folder,
                                                        const log::Tools& tools);

}  // namespace millrace::source
