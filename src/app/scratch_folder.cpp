#include "app/scratch_folder.hpp"

#include <filesystem>
#include <utility>

namespace millrace::app {

using base::Result;

Result<ScratchFolder> ScratchFolder::make(os::Disk& disk, base::Random& random) {
  std::error_code error;
  const auto parent = std::filesystem::temp_directory_path(error);
  if (error) return base::Error{base::Code::NotFound, "no temporary folder: " + error.message()};
  auto path = parent / ("millrace-" + random.uuid());
  TRY(disk.make_directories(path));
  return ScratchFolder(disk, std::move(path));
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept
    : disk_(other.disk_), path_(std::exchange(other.path_, {})) {}

ScratchFolder::~ScratchFolder() {
  if (!path_.empty()) (void)os::remove_all(disk_, path_);
}

}  // namespace millrace::app
