#include "lookup/origin.hpp"

#include <fmt/format.h>

#include "base/units.hpp"

namespace millrace::lookup {
namespace {

using base::Code;
using base::Error;
using base::Result;

class FileOrigin final : public Origin {
 public:
  FileOrigin(const config::Lookup& lookup, os::Disk& disk)
      : path_(std::get<config::LookupFile>(lookup.from).path),
        format_(lookup.format),
        disk_(disk) {}

  std::string place() const override { return path_.string(); }

  Result<std::optional<std::string>> version(const OriginLimits& limits,
                                             const std::stop_token& /*stop*/) override {
    const auto info = TRY(disk_.stat(path_));
    if (!info) return Error{Code::NotFound, "there is no such file"};
    if (info->size > limits.file_bytes_max) return too_large(info->size, limits);
    return std::optional(
        fmt::format("{} {}", info->size, info->modified_at.time_since_epoch().count()));
  }

  Result<LocalCopy> bring(const OriginLimits& limits, const std::stop_token& stop) override {
    // Before the rows: what changes meanwhile is seen as another version.
    return LocalCopy{.path = path_, .format = format_, .version = *TRY(version(limits, stop))};
  }

 private:
  const os::Path path_;
  const config::LookupFormat format_;
  os::Disk& disk_;
};

struct Removing {
  os::Disk& disk;
  os::Path path;
  Removing(os::Disk& on, os::Path which) : disk(on), path(std::move(which)) {}
  Removing(const Removing&) = delete;
  Removing& operator=(const Removing&) = delete;
  ~Removing() { (void)disk.remove(path).has_value(); }
};

}  // namespace

std::unique_ptr<Origin> make_file_origin(const config::Lookup& lookup, os::Disk& disk) {
  return std::make_unique<FileOrigin>(lookup, disk);
}

std::shared_ptr<void> remove_with(os::Disk& disk, const os::Path& path) {
  return std::make_shared<Removing>(disk, path);
}

Error too_large(std::uint64_t bytes, const OriginLimits& limits) {
  return {Code::Exhausted,
          fmt::format("the file has {}; {} is the limit, lookups are held in memory",
                      base::format_bytes(bytes), base::format_bytes(limits.file_bytes_max))};
}

}  // namespace millrace::lookup
