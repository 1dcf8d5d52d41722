#pragma once

#include <memory>

#include "config/pipeline.hpp"
#include "log/stream.hpp"
#include "os/disk.hpp"
#include "source/file_store.hpp"
#include "source/source.hpp"

namespace millrace::source {

/// The files of a store as a source of one shard, a `files` source: oldest name first, each read
/// once, new ones looked for again and again. `state_folder` remembers which files were found.
/// docs/formats/files_source.md. Errors  those of the store. NotFound: no such folder. Corrupt:
/// `state_folder` is damaged.
base::Result<std::unique_ptr<Source>> open_files_source(const config::Source& source,
                                                        std::unique_ptr<FileStore> store,
                                                        const os::Path& state_folder,
                                                        const log::Tools& tools);

}  // namespace millrace::source
