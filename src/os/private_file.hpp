#pragma once

#include <string_view>

#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::os {

/// Puts a secret at `path`, whole or not at all, and durably, in a file that only its owner can
/// read. Replaces what was there.
base::Result<void> write_private_file(const Path& path, std::string_view bytes);

}  // namespace millrace::os
