#include "os/fault_disk.hpp"

#include <fmt/format.h>

namespace millrace::os {

using base::Error;
using base::Result;

class FaultFile final : public File {
 public:
  FaultFile(FaultDisk& disk, std::unique_ptr<File> file, Path path)
      : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}

  Result<void> append(std::string_view bytes) override {
    auto counted = disk_.count(DiskCall::Append, path_);
    if (counted) return file_->append(bytes);
    TRY(file_->append(bytes.substr(0, bytes.size() / 2)));
    return counted;
  }

  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const override {
    TRY(disk_.count(DiskCall::Read, path_));
    return file_->read_at(offset, into, size);
  }

  Result<void> sync() override {
    TRY(disk_.count(DiskCall::Sync, path_));
    return file_->sync();
  }

  Result<void> truncate(std::uint64_t size) override {
    TRY(disk_.count(DiskCall::Truncate, path_));
    return file_->truncate(size);
  }

  std::uint64_t size() const override { return file_->size(); }

 private:
  FaultDisk& disk_;
  const std::unique_ptr<File> file_;
  const Path path_;
};

void FaultDisk::fail(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  Counter& counter = counters_.at(static_cast<std::size_t>(fault.call));
  counter.fail_at = counter.calls + fault.nth;
  counter.code = fault.code;
  counter.times = fault.times;
}

void FaultDisk::heal() {
  const std::lock_guard lock(mutex_);
  for (auto& counter : counters_) counter.fail_at = 0;
}

std::uint64_t FaultDisk::calls(DiskCall call) const {
  const std::lock_guard lock(mutex_);
  return counters_.at(static_cast<std::size_t>(call)).calls;
}

Result<void> FaultDisk::count(DiskCall call, const Path& path) {
  if (on_call) on_call(call, path);
  const std::lock_guard lock(mutex_);
  Counter& counter = counters_.at(static_cast<std::size_t>(call));
  ++counter.calls;
  if (counter.fail_at == 0 || counter.calls < counter.fail_at) return {};
  if (counter.calls > counter.fail_at && counter.times == Times::Once) return {};
  return Error{counter.code, fmt::format("a fault was injected ({})", name_of(counter.code)),
               path.string()};
}

Result<std::unique_ptr<File>> FaultDisk::open(const Path& path, OpenMode mode) {
  TRY(count(DiskCall::Open, path));
  auto file = TRY(disk_.open(path, mode));
  return std::unique_ptr<File>(std::make_unique<FaultFile>(*this, std::move(file), path));
}

Result<void> FaultDisk::rename(const Path& from, const Path& to) {
  TRY(count(DiskCall::Rename, to));
  return disk_.rename(from, to);
}

Result<Renamed> FaultDisk::rename_no_replace(const Path& from, const Path& to) {
  TRY(count(DiskCall::Rename, to));
  return disk_.rename_no_replace(from, to);
}

Result<void> FaultDisk::remove(const Path& path) {
  TRY(count(DiskCall::Remove, path));
  return disk_.remove(path);
}

Result<std::vector<FileInfo>> FaultDisk::list(const Path& directory) {
  TRY(count(DiskCall::List, directory));
  return disk_.list(directory);
}

Result<void> FaultDisk::make_directories(const Path& directory) {
  TRY(count(DiskCall::MakeDirectories, directory));
  return disk_.make_directories(directory);
}

Result<std::optional<FileInfo>> FaultDisk::stat(const Path& path) {
  TRY(count(DiskCall::Stat, path));
  return disk_.stat(path);
}

Result<void> FaultDisk::sync_file(const Path& path) {
  TRY(count(DiskCall::Sync, path));
  return disk_.sync_file(path);
}

Result<void> FaultDisk::sync_directory(const Path& directory) {
  TRY(count(DiskCall::SyncDirectory, directory));
  return disk_.sync_directory(directory);
}

Result<std::uint64_t> FaultDisk::space_free(const Path& path) {
  TRY(count(DiskCall::SpaceFree, path));
  return disk_.space_free(path);
}

}  // namespace millrace::os
