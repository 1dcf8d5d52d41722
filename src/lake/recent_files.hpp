#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace millrace::lake {

/// Keeps the newest used of small files that never change, up to a sum of bytes.
/// Threads: safe from any.
class RecentFiles {
 public:
  explicit RecentFiles(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  std::optional<std::string> find(const std::string& name);
  /// One that is larger than a quarter of all is not kept.
  void keep(const std::string& name, std::string_view bytes);
  void forget(const std::string& name);

 private:
  struct File {
    std::string name;
    std::string bytes;
  };
  using Files = std::list<File>;
  void drop(Files::iterator file);

  const std::size_t bytes_max_;
  std::mutex mutex_;
  Files files_;                                                  // Guarded by mutex_; newest first
  std::map<std::string, Files::iterator, std::less<>> by_name_;  // Guarded by mutex_.
  std::size_t bytes_ = 0;                                        // Guarded by mutex_.
};

}  // namespace millrace::lake
