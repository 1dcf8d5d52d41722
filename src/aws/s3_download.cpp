#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "aws/s3.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

}  // namespace

/// One object that is read in parts by some threads, each of which waits until its part is the next
/// to be written: so no more parts are in memory than there are threads.
class Download {
 public:
  Download(S3& s3, const ObjectInfo& object, const WritePart& write, const std::stop_token& stop)
      : s3_(s3),
        object_(object),
        write_(write),
        stop_(stop),
        part_count_((object.size + s3.options_.part_bytes - 1) / s3.options_.part_bytes) {}

  Result<void> run() {
    {
      std::vector<std::jthread> threads;
      const auto count = std::min<std::uint64_t>(s3_.options_.parts_parallel, part_count_);
      for (std::size_t i = 1; i < count; ++i) threads.emplace_back([this] { read_parts(); });
      read_parts();
    }
    if (outcome_ && stop_.stop_requested()) {
      return Error{Code::Cancelled, "the download was stopped"};
    }
    return outcome_;
  }

 private:
  void read_parts() {
    for (;;) {
      std::uint64_t index = 0;
      {
        const std::lock_guard lock(mutex_);
        if (!outcome_ || stop_.stop_requested() || next_to_read_ == part_count_) return;
        index = next_to_read_++;
      }
      auto part = read_part(index);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !outcome_ || next_to_write_ == index; });
      if (outcome_) {
        auto written = part ? write_(part->bytes) : part.error();
        if (!written) outcome_ = std::move(written);
        ++next_to_write_;
      }
      changed_.notify_all();
    }
  }

  Result<Object> read_part(std::uint64_t index) {
    const auto offset = index * s3_.options_.part_bytes;
    const auto size = std::min(s3_.options_.part_bytes, object_.size - offset);
    auto part = TRY(s3_.get(
        object_.key, {.offset = offset, .size = size, .if_match = object_.etag, .bytes_max = size},
        stop_));
    if (part.bytes.size() == size) return part;
    return Error{Code::Unavailable,
                 fmt::format("s3://{}/{} gave {} bytes at {}, not {}", s3_.options_.bucket,
                             object_.key, part.bytes.size(), offset, size)};
  }

  S3& s3_;
  const ObjectInfo& object_;
  const WritePart& write_;
  const std::stop_token stop_;
  const std::uint64_t part_count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Result<void> outcome_;             // Guarded by mutex_: the first error.
  std::uint64_t next_to_read_ = 0;   // Guarded by mutex_.
  std::uint64_t next_to_write_ = 0;  // Guarded by mutex_.
};

Result<void> S3::download(const ObjectInfo& object, const WritePart& write,
                          const std::stop_token& stop) {
  return Download(*this, object, write, stop).run();
}

}  // namespace millrace::aws
