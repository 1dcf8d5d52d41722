#pragma once

#include "aws/s3.hpp"
#include "lake/file_cache.hpp"
#include "lake/recent_files.hpp"
#include "lake/store.hpp"

namespace millrace::lake {

/// Cuts `s3://bucket/prefix` into the bucket and the prefix, which has no slash at its ends.
std::pair<std::string, std::string> cut_s3_path(std::string_view path);

/// A bucket, whose files are named `s3://bucket/key`. Commits are conditional writes: the store
/// must honour `If-None-Match` (`aws::S3::probe`). DuckDB writes drafts on this machine's disk, one
/// file at a time for each that writes, and they are uploaded.
/// Errors  What the service does not allow now it may allow later, with credentials or a policy
///         that were mended: Unavailable, not Denied.
class S3Store final : public Store {
 public:
  /// `drafts` is a folder on `disk`. All must outlive the store.
  /// What is written stays in `cache`, if there is one.
  S3Store(aws::S3& s3, os::Disk& disk, os::Path drafts, FileCache* cache = nullptr)
      : s3_(s3), disk_(disk), drafts_(std::move(drafts)), cache_(cache) {}

  base::Result<std::string> read(const os::Path& path) override;
  base::Result<PutOutcome> put_if_absent(const os::Path& path, std::string_view bytes) override;
  base::Result<void> put(const os::Path& path, std::string_view bytes) override;
  base::Result<std::optional<os::FileInfo>> stat(const os::Path& path) override;
  base::Result<std::vector<os::FileInfo>> list(const os::Path& folder,
                                               std::string_view after) override;
  base::Result<void> remove(const std::vector<os::Path>& paths) override;
  /// Folders are parts of names, and what was written is durable.
  base::Result<void> make_folder(const os::Path& root, const os::Path& folder,
                                 Settled settled) override;
  base::Result<void> settle(const os::Path& folder) override;
  os::Path draft_of(const os::Path& path) override { return drafts_ / path.filename(); }
  base::Result<os::FileInfo> publish(const os::Path& draft, const os::Path& path) override;

 private:
  std::string key_of(const os::Path& path) const;

  aws::S3& s3_;
  os::Disk& disk_;
  const os::Path drafts_;
  FileCache* const cache_;
  RecentFiles commits_{std::size_t{16} << 20};  ///< those that were read or written last
};

}  // namespace millrace::lake
