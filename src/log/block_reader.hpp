#pragma once

#include <memory>

#include "base/record.hpp"
#include "base/result.hpp"
#include "log/format.hpp"
#include "os/disk.hpp"

namespace millrace::log {

/// Reads the records of one segment into one block of memory, into which they point.
/// Threads: one at a time.
class BlockReader {
 public:
  struct Options {
    std::shared_ptr<const os::File> file;
    std::uint64_t at = 0;   ///< of a batch at or before the first record wanted
    std::uint64_t end = 0;  ///< of what is durable
    std::uint64_t seed = 0;
    std::uint64_t slack_bytes = 0;  ///< how far before the record `at` may be
  };
  explicit BlockReader(Options options) : options_(std::move(options)), block_at_(options_.at) {}

  /// Shape   one record at least; further ones until `bytes_max` is reached.
  /// Errors  Corrupt: what is damaged say the functions below. Others: as the disk says.
  base::Result<base::RecordBatch> read(base::Offset from, std::uint64_t bytes_max);

  std::uint64_t bad_at() const { return bad_at_; }
  base::Offset bad_base() const { return bad_base_; }
  base::Offset bad_end() const { return bad_end_; }

 private:
  base::Result<void> load(std::uint64_t at, std::uint64_t bytes);
  std::string_view loaded(std::uint64_t at) const;
  /// Takes the records of one batch; true if there is room for more.
  base::Result<bool> take(const BatchHeader& header, std::string_view payload,
                          base::RecordBatch& into);

  const Options options_;
  base::Offset from_;
  std::uint64_t bytes_max_ = 0;
  std::shared_ptr<char[]> block_;
  std::uint64_t block_at_;
  std::uint64_t block_bytes_ = 0;
  std::uint64_t taken_bytes_ = 0;

  std::uint64_t bad_at_ = 0;
  base::Offset bad_base_;
  base::Offset bad_end_;
};

}  // namespace millrace::log
