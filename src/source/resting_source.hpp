#pragma once

#include <memory>

#include "os/disk.hpp"
#include "source/source.hpp"

namespace millrace::source {

/// A Kinesis source that is not read now, so that its tables can be asked without a network: the
/// life that `state_folder` knows, without shards. Shape   null: the folder knows none.
base::Result<std::unique_ptr<Source>> open_resting_source(os::Disk& disk,
                                                          const os::Path& state_folder);
/// A source of that life without shards.
std::unique_ptr<Source> make_resting_source(std::string incarnation);

}  // namespace millrace::source
