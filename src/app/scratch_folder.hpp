#pragma once

#include "base/random.hpp"
#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::app {

/// A new folder among the system's temporary ones, gone with its object.
class ScratchFolder {
 public:
  static base::Result<ScratchFolder> make(os::Disk& disk, base::Random& random);
  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();

  const os::Path& path() const { return path_; }

 private:
  ScratchFolder(os::Disk& disk, os::Path path) : disk_(disk), path_(std::move(path)) {}

  os::Disk& disk_;
  os::Path path_;  // empty: moved from
};

}  // namespace millrace::app
