#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "app/finding.hpp"
#include "base/clock.hpp"
#include "base/units.hpp"

namespace millrace::app {
namespace {

using base::Error;
using base::Result;
using namespace base::literals;
using enum Finding::Level;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::uint64_t kSpaceFail = 512_MiB;
constexpr std::uint64_t kSpaceWarn = 5_GiB;
constexpr int kSyncs = 21;
constexpr Milliseconds kSyncSlow(20);
constexpr auto kSkewMax = std::chrono::seconds(5);
constexpr const char* kProbe = ".doctor";

Finding failed(std::string check, const Error& error, std::string mend) {
  return {Fail, std::move(check), error.text(), std::move(mend)};
}

// The folder itself, or the nearest one above it that exists: where it would be made.
os::Path existing(const os::Path& data) {
  auto path = std::filesystem::absolute(data).lexically_normal();
  std::error_code ignored;
  while (!std::filesystem::exists(path, ignored) && path.has_relative_path()) {
    path = path.parent_path();
  }
  return path;
}

// The middle one of some syncs of one small write each.
Result<Milliseconds> sync_time(os::Disk& disk, const os::Path& path) {
  TRY(disk.remove(path));
  const auto file = TRY(disk.open(path, os::OpenMode::CreateNew));
  std::vector<Milliseconds> times;
  for (int i = 0; i < kSyncs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    TRY(file->append(std::string(4096, 'x')));
    TRY(file->sync());
    times.emplace_back(std::chrono::steady_clock::now() - start);
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

Finding examine_sync(os::Disk& disk, const os::Path& probe) {
  const auto time = sync_time(disk, probe);
  if (!time) {
    return failed("sync", time.error(),
                  "use a disk that syncs; without it nothing can be promised");
  }
  const auto detail = fmt::format("{:.2f} ms for one small write", time->count());
  if (*time > kSyncSlow) {
    return {Warn, "sync", detail, "each acknowledgement waits for it: use a faster disk"};
  }
  return {Ok, "sync", detail, ""};
}

// A commit is won by the one writer whose rename finds no file there.
Finding examine_rename(os::Disk& disk, const os::Path& probe) {
  const auto target = os::Path(probe).concat("-target");
  const auto work = [&]() -> Result<bool> {
    for (const auto& path : {probe, target}) TRY(os::write_file(disk, path, "probe"));
    const auto renamed = TRY(disk.rename_no_replace(probe, target));
    return renamed == os::Renamed::TargetExists;
  };
  const auto is_kept = work();
  (void)disk.remove(target);
  const std::string mend = "use a local file system: ext4, xfs, btrfs";
  if (!is_kept) return failed("rename", is_kept.error(), mend);
  if (!*is_kept) return {Fail, "rename", "it replaces a file that it must not replace", mend};
  return {Ok, "rename", "atomic, and replaces nothing", ""};
}

Finding examine_skew(os::Disk& disk, const os::Path& probe) {
  const auto written = os::write_file(disk, probe, "probe");
  const auto info =
      written ? disk.stat(probe) : Result<std::optional<os::FileInfo>>(written.error());
  if (!info || !*info) return {Warn, "clock", "the time of a new file cannot be read", ""};
  const auto skew = base::SystemClock().now() - (*info)->modified_at;
  if (skew > kSkewMax || skew < -kSkewMax) {
    return {
        Warn, "clock",
        fmt::format("{:.1f} s apart from the disk's", std::chrono::duration<double>(skew).count()),
        "set both by a time server (NTP): schedules and late records go by the clock"};
  }
  return {Ok, "clock", base::format_time(base::SystemClock().now()), ""};
}

Finding examine_space(os::Disk& disk, const os::Path& folder) {
  const auto bytes = disk.space_free(folder);
  if (!bytes) return failed("space", bytes.error(), "");
  const auto detail = base::format_bytes(*bytes) + " free";
  const std::string mend = "make room, or use another folder with --data";
  if (*bytes < kSpaceFail) return {Fail, "space", detail, mend};
  return {*bytes < kSpaceWarn ? Warn : Ok, "space", detail, *bytes < kSpaceWarn ? mend : ""};
}

std::uint64_t bytes_below(os::Disk& disk, const os::Path& folder) {
  std::uint64_t bytes = 0;
  const auto entries = disk.list(folder);
  if (!entries) return 0;
  for (const auto& entry : *entries) {
    bytes += entry.is_directory ? bytes_below(disk, folder / entry.name) : entry.size;
  }
  return bytes;
}

// Copies of the files of a lake on S3.
Finding examine_cache(os::Disk& disk, const os::Path& cache) {
  return {Ok, "lake cache",
          fmt::format("{} in {}", base::format_bytes(bytes_below(disk, cache)), cache.string()),
          ""};
}

}  // namespace

std::vector<Finding> examine_folder(os::Disk& disk, const os::Path& data) {
  const auto folder = existing(data);
  const auto probe = folder / kProbe;
  const auto written = os::write_file(disk, probe, "probe");
  if (!written) {
    return {failed("folder", written.error(),
                   "give this user the right to write there, or use another folder with --data")};
  }
  const bool is_there = folder == std::filesystem::absolute(data).lexically_normal();
  std::vector<Finding> findings{
      {Ok, "folder",
       is_there ? folder.string() + " can be written" : "will be made in " + folder.string(), ""}};
  findings.push_back(examine_space(disk, folder));
  findings.push_back(examine_sync(disk, probe));
  findings.push_back(examine_rename(disk, probe));
  findings.push_back(examine_skew(disk, probe));
  (void)disk.remove(probe);
  const auto cache = disk.stat(folder / "cache");
  if (is_there && cache && *cache) findings.push_back(examine_cache(disk, folder / "cache"));
  return findings;
}

}  // namespace millrace::app
