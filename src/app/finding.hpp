#pragma once

#include <string>
#include <vector>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "os/disk.hpp"

namespace millrace::app {

/// What one check of `millrace doctor` found.
struct Finding {
  enum class Level : std::uint8_t { Ok, Warn, Fail };
  Level level = Level::Ok;
  std::string check;
  std::string detail;
  std::string mend;  ///< what to do about it; empty if it is fine
};

/// The folder can be written, syncs, renames as we need it, has room, and a clock that agrees.
std::vector<Finding> examine_folder(os::Disk& disk, const os::Path& data);

/// Memory, cores, open files.
std::vector<Finding> examine_machine();

/// The time zones, the pipeline's among them; `pipeline` may be null.
std::vector<Finding> examine_time(const config::Pipeline* pipeline);

/// How Lambda hands records of the pipeline's streams to functions, if it does; nothing where the
/// lake is not on S3. `pipeline` may be null.
std::vector<Finding> examine_event_sources(const config::Pipeline* pipeline, World& world);

/// Who holds the folder, and whether `listen` is free for it.
std::vector<Finding> examine_ports(const os::Path& data, const std::string& listen);

}  // namespace millrace::app
