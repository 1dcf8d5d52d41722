#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "base/units.hpp"
#include "log/format.hpp"
#include "source/file_store.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace base::literals;

constexpr std::uint64_t kHeadBytes = 64_KiB;

class LocalBytes final : public StoredBytes {
 public:
  explicit LocalBytes(std::unique_ptr<os::File> file) : file_(std::move(file)) {}
  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) override {
    return file_->read_at(offset, into, size);
  }
  std::uint64_t size() const override { return file_->size(); }

 private:
  const std::unique_ptr<os::File> file_;
};

class LocalFiles final : public FileStore {
 public:
  LocalFiles(const os::Path& glob, os::Disk& disk)
      : folder_(glob.parent_path()), pattern_(glob.filename().string()), disk_(disk) {}

  std::string place_of(const std::string& name) const override { return (folder_ / name).string(); }
  bool can_grow() const override { return true; }

  Result<std::vector<StoredFile>> list() override {
    std::vector<StoredFile> files;
    for (const auto& info : TRY(disk_.list(folder_))) {
      if (info.is_directory || ::fnmatch(pattern_.c_str(), info.name.c_str(), FNM_PERIOD) != 0) {
        continue;
      }
      files.push_back(stored(info));
    }
    return files;
  }

  Result<std::optional<StoredFile>> stat(const std::string& name) override {
    auto info = TRY(disk_.stat(folder_ / name));
    if (!info) return std::optional<StoredFile>();
    info->name = name;
    return std::optional(stored(*info));
  }

  Result<void> identify(const StoredFile& file, FoundFile& found) override {
    const auto head = TRY(read_head(file.name, std::min(file.bytes, kHeadBytes)));
    found.head_bytes = head.size();
    found.head_hash = log::checksum(head, 0);
    return {};
  }

  Result<bool> is_same(const StoredFile& now, const FoundFile& known) override {
    return log::checksum(TRY(read_head(now.name, known.head_bytes)), 0) == known.head_hash;
  }

  Result<std::unique_ptr<StoredBytes>> open(const StoredFile& file) override {
    return open_local_bytes(disk_, folder_ / file.name);
  }

 private:
  static StoredFile stored(const os::FileInfo& info) {
    return {.name = info.name,
            .bytes = info.size,
            .stamp = fmt::format("{}", info.modified_at.time_since_epoch().count())};
  }

  Result<std::string> read_head(const std::string& name, std::uint64_t size) const {
    const auto file = TRY(disk_.open(folder_ / name, os::OpenMode::Read));
    std::string head(size, '\0');
    head.resize(TRY(file->read_at(0, head.data(), head.size())));
    return head;
  }

  const os::Path folder_;
  const std::string pattern_;
  os::Disk& disk_;
};

}  // namespace

Result<std::unique_ptr<StoredBytes>> open_local_bytes(os::Disk& disk, const os::Path& path) {
  auto file = TRY(disk.open(path, os::OpenMode::Read));
  return std::unique_ptr<StoredBytes>(std::make_unique<LocalBytes>(std::move(file)));
}

Error no_glob(const config::Source& source, const std::string& glob) {
  return {Code::Invalid,
          fmt::format("source '{}' must read files of one folder: wildcards may stand in the "
                      "last part of its path only, in '{}' they do not",
                      source.name, glob),
          source.place.text()};
}

Result<std::unique_ptr<FileStore>> open_local_files(const config::Source& source, os::Disk& disk) {
  const auto* files = std::get_if<config::FilesSource>(&source.from);
  if (files == nullptr) {
    return Error{Code::Invalid, fmt::format("source '{}' reads no files", source.name),
                 source.place.text()};
  }
  const os::Path glob = files->glob;
  if (glob.filename().empty() ||
      glob.parent_path().string().find_first_of("*?[") != std::string::npos) {
    return no_glob(source, files->glob);
  }
  return std::unique_ptr<FileStore>(std::make_unique<LocalFiles>(glob, disk));
}

}  // namespace millrace::source
