#pragma once

#include <algorithm>
#include <cstring>
#include <memory_resource>
#include <string_view>

namespace millrace::base {

/// Bytes that are put behind each other and go together. Threads: one at a time.
class Arena {
 public:
  /// `first` bytes are set aside at once; more than that is found as it is needed.
  explicit Arena(std::size_t first) : memory_(std::max<std::size_t>(first, 256)) {}

  /// Room for `size` bytes.
  char* room(std::size_t size) { return static_cast<char*>(memory_.allocate(size, 1)); }
  /// A copy of `bytes`.
  std::string_view keep(std::string_view bytes) {
    if (bytes.empty()) return {};
    auto* copy = room(bytes.size());
    std::memcpy(copy, bytes.data(), bytes.size());
    return {copy, bytes.size()};
  }

 private:
  std::pmr::monotonic_buffer_resource memory_;
};

}  // namespace millrace::base
