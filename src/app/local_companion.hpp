#pragma once

#include <memory>

#include "app/companion.hpp"

namespace millrace::app {

/// An instance in this process for the data folder, caught up with its log.
/// Errors  Denied: another process holds the folder; and those of `Instance::open`.
base::Result<std::unique_ptr<Companion>> open_local(const os::Path& data);

}  // namespace millrace::app
