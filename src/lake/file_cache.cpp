#include "lake/file_cache.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "lake/events.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kScheme = "s3://";
constexpr const char* kAside = ".aside";

}  // namespace

Result<std::unique_ptr<FileCache>> FileCache::open(Options options, os::Disk& disk, Fetch fetch,
                                                   base::Telemetry telemetry) {
  std::unique_ptr<FileCache> cache(
      new FileCache(std::move(options), disk, std::move(fetch), telemetry));
  TRY(disk.make_directories(cache->options_.folder));
  TRY(cache->take_up(cache->options_.folder));
  {
    const std::lock_guard lock(cache->mutex_);
    (void)cache->make_room(0);
  }
  for (std::size_t i = 0; i < cache->options_.threads; ++i) {
    cache->threads_.emplace_back(
        [raw = cache.get()](const std::stop_token& stop) { raw->work(stop); });
  }
  return cache;
}

FileCache::~FileCache() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

// What a life before left: asides go, the rest counts, older ones as used longer ago.
Result<void> FileCache::take_up(const os::Path& folder) {
  for (const auto& info : TRY(disk_.list(folder))) {
    const auto path = folder / info.name;
    if (info.is_directory) {
      TRY(take_up(path));
    } else if (path.extension() == kAside) {
      TRY(disk_.remove(path));
    } else {
      const std::lock_guard lock(mutex_);
      const auto name = path.lexically_relative(options_.folder).string();
      insert(name, path, info.size);
      copies_.at(name)->used = static_cast<std::uint64_t>(
          std::max<std::int64_t>(info.modified_at.time_since_epoch().count(), 0));
      used_next_ = std::max(used_next_, copies_.at(name)->used + 1);
    }
  }
  return {};
}

// `bucket/prefix/table/day=2026-11-20/part-1.parquet`: the folders of partitions are read by
// DuckDB.
FileCache::Name FileCache::name_of(const os::Path& path) const {
  auto name = path.string();
  if (name.starts_with(kScheme)) name.erase(0, kScheme.size());
  return name;
}

std::string FileCache::scan_sql(const os::Path& root, const Snapshot& snapshot, Pins& pins) {
  Files files;
  for (const auto& [path, file] : snapshot.files) files.push_back(file);
  return scan_sql(root, *snapshot.metadata, files, pins);
}

std::string FileCache::scan_sql(const os::Path& root, const Metadata& metadata, const Files& files,
                                Pins& pins) {
  const auto added = added_columns(metadata);
  std::vector<ScanFile> scanned;
  std::vector<std::pair<os::Path, std::uint64_t>> missing;
  std::uint64_t bytes = 0;
  std::size_t hits = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& file : files) {
      auto path = root / uri_decoded(file->path);
      const auto size = static_cast<std::uint64_t>(file->size);
      bytes += size;
      if (auto copy = find(name_of(path), size)) {
        scanned.push_back(scan_file(copy->path, *file, added));
        pins.push_back(std::move(copy));
        ++hits;
      } else {
        missing.emplace_back(path, size);
        scanned.push_back(scan_file(std::move(path), *file, added));
      }
    }
    // A table that does not fit would only push out what others use.
    if (bytes <= options_.bytes_max) {
      for (const auto& [path, size] : missing) want(path, size);
    }
  }
  events::read_by_cache(telemetry_, hits, missing.size());
  return lake::scan_sql(scanned, metadata);
}

std::shared_ptr<const FileCache::Copy> FileCache::find(const Name& name, std::uint64_t bytes) {
  const auto found = copies_.find(name);
  if (found == copies_.end()) return nullptr;
  // Somebody else may have been in the folder.
  const auto info = disk_.stat(found->second->path);
  if (!info || !*info || (*info)->size != bytes || found->second->bytes != bytes) {
    drop(found);
    return nullptr;
  }
  found->second->used = used_next_++;
  return found->second;
}

void FileCache::want(const os::Path& path, std::uint64_t bytes) {
  if (waiting_.size() >= options_.waiting_max || !wanted_.insert(name_of(path)).second) return;
  waiting_.emplace_back(path, bytes);
  changed_.notify_all();
}

void FileCache::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    const auto [path, bytes] = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    const auto brought = bring(path, bytes, stop);
    if (!brought && !stop.stop_requested()) {
      events::cache_failed(telemetry_, path.string(), brought.error().text());
    }
    lock.lock();
    wanted_.erase(name_of(path));
    changed_.notify_all();
    if (stop.stop_requested()) return;
  }
}

Result<void> FileCache::bring(const os::Path& path, std::uint64_t bytes,
                              const std::stop_token& stop) {
  const auto place = options_.folder / name_of(path);
  const os::Path aside = place.string() + kAside;
  TRY(disk_.make_directories(place.parent_path()));
  TRY(disk_.remove(aside));
  auto written = [&]() -> Result<void> {
    const auto file = TRY(disk_.open(aside, os::OpenMode::CreateNew));
    TRY(fetch_(path, bytes, [&](std::string_view part) { return file->append(part); }, stop));
    if (file->size() == bytes) return {};
    return Error{Code::Corrupt, fmt::format("it has {} bytes, not {}", file->size(), bytes),
                 path.string()};
  }();
  const bool is_kept = written && keep(aside, path, bytes);
  if (!is_kept) (void)disk_.remove(aside).has_value();
  return written;
}

bool FileCache::keep(const os::Path& draft, const os::Path& path, std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (!make_room(bytes)) return false;
  }
  const auto name = name_of(path);
  const auto place = options_.folder / name;
  if (!disk_.make_directories(place.parent_path()) || !disk_.sync_file(draft)) return false;
  const std::lock_guard lock(mutex_);
  if (!disk_.rename(draft, place)) return false;
  insert(name, place, bytes);
  (void)make_room(0);
  return true;
}

void FileCache::insert(const Name& name, const os::Path& path, std::uint64_t bytes) {
  auto& copy = copies_[name];
  if (copy) bytes_ -= copy->bytes;
  copy = std::make_shared<Copy>(Copy{.path = path, .bytes = bytes, .used = used_next_++});
  bytes_ += bytes;
  events::cached(telemetry_, bytes_);
}

// Drops what was used longest ago and is not being read. False: that is not enough.
bool FileCache::make_room(std::uint64_t bytes) {
  if (bytes > options_.bytes_max) return false;
  while (bytes_ + bytes > options_.bytes_max) {
    auto oldest = copies_.end();
    for (auto copy = copies_.begin(); copy != copies_.end(); ++copy) {
      if (copy->second.use_count() > 1) continue;
      if (oldest == copies_.end() || copy->second->used < oldest->second->used) oldest = copy;
    }
    if (oldest == copies_.end()) return false;
    drop(oldest);
  }
  return true;
}

void FileCache::drop(std::map<Name, std::shared_ptr<Copy>>::iterator copy) {
  (void)disk_.remove(copy->second->path).has_value();
  bytes_ -= copy->second->bytes;
  copies_.erase(copy);
  events::cached(telemetry_, bytes_);
}

void FileCache::forget(const os::Path& path) {
  const std::lock_guard lock(mutex_);
  const auto found = copies_.find(name_of(path));
  // One that is being read goes when room is needed.
  if (found != copies_.end() && found->second.use_count() == 1) drop(found);
}

std::uint64_t FileCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void FileCache::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return wanted_.empty(); });
}

std::string scan_sql(FileCache* cache, const os::Path& root, const Snapshot& snapshot,
                     const std::optional<Files>& files, Pins& pins) {
  const auto& metadata = *snapshot.metadata;
  if (!files) {
    return cache ? cache->scan_sql(root, snapshot, pins) : scan_sql(root, snapshot);
  }
  return cache ? cache->scan_sql(root, metadata, *files, pins) : scan_sql(root, metadata, *files);
}

}  // namespace millrace::lake
