#pragma once

#include <string>

#include "base/random.hpp"
#include "log/format.hpp"
#include "os/disk.hpp"

namespace millrace::log {

/// What the file `stream` in a stream's folder says.
struct StreamFile {
  std::string incarnation;  ///< a UUID
  IncarnationBytes incarnation_bytes{};
  int shards = 0;
};

/// Reads the file; makes it, durably, if the folder is new; raises its number of shards to
/// `shards`. Errors  Invalid: it has more shards than `shards`. Corrupt: damaged, or missing beside
/// segments.
base::Result<StreamFile> open_stream_file(os::Disk& disk, const os::Path& folder, int shards,
                                          base::Random& random);

/// `0003`
os::Path shard_folder(const os::Path& folder, int shard);

}  // namespace millrace::log
