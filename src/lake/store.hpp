#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/disk.hpp"

namespace millrace::lake {

/// What became of a write that must not replace anything. An error says that nothing was written.
struct PutOutcome {
  enum class What : std::uint8_t {
    Created,
    Exists,     ///< it may be an earlier try of ours whose answer was lost: compare
    Conflict,   ///< another write of the name is under way: try again
    Ambiguous,  ///< it may stand there, now or soon: read back, never guess
  };
  What what = What::Ambiguous;
  std::optional<base::Error> error = {};  ///< why it is ambiguous
};

/// Whether a folder is known to survive a power cut with all above it.
enum class Settled : std::uint8_t { No, Yes };

/// Where tables lie. A path is a file's name here and also what DuckDB reads it by.
/// Errors  NotFound: no such file. Exhausted: full, or throttled for too long. Denied.
///         Unavailable: try again.
/// Threads: safe from any.
class Store {
 public:
  virtual ~Store() = default;

  /// Reads a whole file.
  virtual base::Result<std::string> read(const os::Path& path) = 0;
  /// Writes it, whole or not at all and durably, if there is none: one winner among racing writers.
  virtual base::Result<PutOutcome> put_if_absent(const os::Path& path, std::string_view bytes) = 0;
  /// The same in place of any that is there.
  virtual base::Result<void> put(const os::Path& path, std::string_view bytes) = 0;
  /// Nothing if there is none.
  virtual base::Result<std::optional<os::FileInfo>> stat(const os::Path& path) = 0;
  /// What is in a folder and behind the name `after`, sorted by name; empty if there is no such
  /// folder.
  virtual base::Result<std::vector<os::FileInfo>> list(const os::Path& folder,
                                                       std::string_view after = {}) = 0;
  /// Fine for those that are not there.
  virtual base::Result<void> remove(const std::vector<os::Path>& paths) = 0;

  /// Makes `folder`, which lies in the table at `root`, ready for files, durably.
  virtual base::Result<void> make_folder(const os::Path& root, const os::Path& folder,
                                         Settled settled) = 0;
  /// Makes durable which names are seen in `folder`: they will be relied on, and whoever made them
  /// may have been killed before.
  virtual base::Result<void> settle(const os::Path& folder) = 0;

  /// Where DuckDB is to write what `publish` then makes the file `path`.
  virtual os::Path draft_of(const os::Path& path) = 0;
  /// Makes what was written at `draft` the file at `path`, durably, in place of any that is there.
  /// The draft is gone then.
  virtual base::Result<os::FileInfo> publish(const os::Path& draft, const os::Path& path) = 0;
};

/// Folders of a disk. Drafts of data files are written in their place: no commit names them yet.
class LocalStore final : public Store {
 public:
  explicit LocalStore(os::Disk& disk) : disk_(disk) {}

  base::Result<std::string> read(const os::Path& path) override;
  base::Result<PutOutcome> put_if_absent(const os::Path& path, std::string_view bytes) override;
  base::Result<void> put(const os::Path& path, std::string_view bytes) override;
  base::Result<std::optional<os::FileInfo>> stat(const os::Path& path) override;
  base::Result<std::vector<os::FileInfo>> list(const os::Path& folder,
                                               std::string_view after) override;
  base::Result<void> remove(const std::vector<os::Path>& paths) override;
  base::Result<void> make_folder(const os::Path& root, const os::Path& folder,
                                 Settled settled) override;
  base::Result<void> settle(const os::Path& folder) override;
  os::Path draft_of(const os::Path& path) override { return path; }
  base::Result<os::FileInfo> publish(const os::Path& draft, const os::Path& path) override;

 private:
  os::Disk& disk_;
};

}  // namespace millrace::lake
