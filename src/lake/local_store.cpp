#include <algorithm>

#include "lake/store.hpp"

namespace millrace::lake {

using base::Code;
using base::Error;
using base::Result;

Result<std::string> LocalStore::read(const os::Path& path) {
  return os::read_file(disk_, path);
}

Result<PutOutcome> LocalStore::put_if_absent(const os::Path& path, std::string_view bytes) {
  using enum PutOutcome::What;
  auto written = os::write_new_file(disk_, path, bytes);
  if (written) return PutOutcome{*written == os::Renamed::Done ? Created : Exists};
  // The file may stand there although something failed; if it does not, it never will.
  const auto there = disk_.stat(path);
  if (there && !*there) return std::move(written).error();
  return PutOutcome{Ambiguous, std::move(written).error()};
}

Result<void> LocalStore::put(const os::Path& path, std::string_view bytes) {
  return os::write_file(disk_, path, bytes);
}

Result<std::optional<os::FileInfo>> LocalStore::stat(const os::Path& path) {
  return disk_.stat(path);
}

Result<std::vector<os::FileInfo>> LocalStore::list(const os::Path& folder, std::string_view after) {
  auto entries = disk_.list(folder);
  if (!entries && entries.error().code == Code::NotFound) return std::vector<os::FileInfo>();
  if (entries) std::erase_if(*entries, [&](const auto& entry) { return entry.name <= after; });
  return entries;
}

Result<void> LocalStore::remove(const std::vector<os::Path>& paths) {
  for (const auto& path : paths) TRY(disk_.remove(path));
  return {};
}

Result<void> LocalStore::make_folder(const os::Path& root, const os::Path& folder,
                                     Settled settled) {
  if (settled == Settled::Yes) return os::make_directories_durably(disk_, folder);
  // What is there may be from a try, or a life, that ended before its sync.
  if (!TRY(disk_.stat(folder))) TRY(disk_.make_directories(folder));
  for (os::Path at = folder; at != root && at.has_relative_path(); at = at.parent_path()) {
    TRY(disk_.sync_directory(at.parent_path()));
  }
  return {};
}

Result<void> LocalStore::settle(const os::Path& folder) {
  return disk_.sync_directory(folder.empty() ? os::Path(".") : folder);
}

Result<os::FileInfo> LocalStore::publish(const os::Path& draft, const os::Path& path) {
  TRY(disk_.sync_file(draft));
  if (draft != path) TRY(disk_.rename(draft, path));
  TRY(disk_.sync_directory(path.parent_path()));
  const auto info = TRY(disk_.stat(path));
  if (info) return *info;
  return Error{Code::Unavailable, "the file that was just written is gone", path.string()};
}

}  // namespace millrace::lake
