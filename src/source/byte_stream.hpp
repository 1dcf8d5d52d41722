#pragma once

#include <cstdint>
#include <memory>

#include "base/result.hpp"
#include "os/disk.hpp"
#include "source/file_store.hpp"

namespace millrace::source {

/// A file's bytes from front to back, unpacked if the name ends in `.gz` or `.zst`.
/// Threads: one at a time.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Fills `into`; fewer than `size` only at the end. After the end it can be asked again: there is
  /// more if the file grew.
  /// Errors  Corrupt: the packed data are damaged, or end in the middle.
  virtual base::Result<std::size_t> read(char* into, std::size_t size) = 0;
  /// Goes on `bytes` further; packed data are read to get there.
  /// Errors  Corrupt: the file is shorter.
  virtual base::Result<void> skip(std::uint64_t bytes) = 0;
};

/// `path` is for its end and for people.
std::unique_ptr<ByteStream> make_byte_stream(std::unique_ptr<StoredBytes> file,
                                             const os::Path& path);
bool is_packed(const os::Path& path);

}  // namespace millrace::source
