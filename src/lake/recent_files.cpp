#include "lake/recent_files.hpp"

namespace millrace::lake {

std::optional<std::string> RecentFiles::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  files_.splice(files_.begin(), files_, found->second);
  return found->second->bytes;
}

void RecentFiles::keep(const std::string& name, std::string_view bytes) {
  if (bytes.size() > bytes_max_ / 4) return;
  const std::lock_guard lock(mutex_);
  if (by_name_.contains(name)) return;
  files_.push_front({name, std::string(bytes)});
  by_name_.emplace(name, files_.begin());
  bytes_ += bytes.size();
  while (bytes_ > bytes_max_) drop(std::prev(files_.end()));
}

void RecentFiles::forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) drop(found->second);
}

void RecentFiles::drop(Files::iterator file) {
  bytes_ -= file->bytes.size();
  by_name_.erase(file->name);
  files_.erase(file);
}

}  // namespace millrace::lake
