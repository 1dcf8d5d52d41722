#include "source/s3_files.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstring>
#include <future>

#include "base/units.hpp"
#include "log/format.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace base::literals;

// One request reads as much; the next piece is on its way while one is used.
constexpr std::uint64_t kPieceBytes = 8_MiB;
// How many objects one look goes through, at most.
constexpr std::size_t kListMax = 50'000;
// How often all objects are listed, not only those behind the last name.
constexpr auto kListAllEvery = std::chrono::minutes(10);

// What S3 does not allow now it may allow later, with credentials or a policy that were mended; a
// bucket that is gone is not an object that is gone; and an object that was replaced while it was
// read is looked at anew.
Error passing(Error error) {
  const bool is_bucket_gone = error.message.find("NoSuchBucket") != std::string::npos;
  if (error.code != Code::NotFound || is_bucket_gone) error.code = Code::Unavailable;
  return error;
}

/// An object, read in pieces ahead.
class S3Bytes final : public StoredBytes {
 public:
  S3Bytes(aws::S3& s3, std::string key, const StoredFile& file)
      : s3_(s3), key_(std::move(key)), file_(file) {}
  ~S3Bytes() override { stop_.request_stop(); }  // then the piece that is on its way ends

  std::uint64_t size() const override { return file_.bytes; }

  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) override {
    std::size_t done = 0;
    while (done < size && offset + done < file_.bytes) {
      TRY(go_to(offset + done));
      const auto from = offset + done - piece_at_;
      const auto count = std::min<std::uint64_t>(size - done, piece_.size() - from);
      std::memcpy(into + done, piece_.data() + from, count);
      done += count;
    }
    return done;
  }

 private:
  // Makes `piece_` hold the byte at `offset`.
  Result<void> go_to(std::uint64_t offset) {
    if (offset >= piece_at_ && offset < piece_at_ + piece_.size()) return {};
    auto piece = next_.valid() && next_at_ == offset ? next_.get() : get(offset);
    if (!piece) return passing(piece.error());
    piece_ = std::move(*piece);
    piece_at_ = offset;
    next_at_ = piece_at_ + piece_.size();
    if (next_at_ < file_.bytes) {
      next_ = std::async(std::launch::async, [this, at = next_at_] { return get(at); });
    }
    return {};
  }

  Result<std::string> get(std::uint64_t offset) {
    const auto size = std::min(kPieceBytes, file_.bytes - offset);
    auto object = TRY(
        s3_.get(key_, {.offset = offset, .size = size, .if_match = file_.stamp, .bytes_max = size},
                stop_.get_token()));
    if (object.bytes.size() == size) return std::move(object.bytes);
    return Error{Code::Unavailable,
                 fmt::format("s3://{}/{} gave {} bytes at {}, not {}", s3_.bucket(), key_,
                             object.bytes.size(), offset, size)};
  }

  aws::S3& s3_;
  const std::string key_;
  const StoredFile file_;
  std::stop_source stop_;
  std::string piece_;
  std::uint64_t piece_at_ = 0;
  std::uint64_t next_at_ = 0;
  std::future<Result<std::string>> next_;  // waits for its end when it goes
};

class S3Files final : public FileStore {
 public:
  S3Files(aws::S3 s3, const std::string& glob, const base::Clock& clock)
      : s3_(std::move(s3)), clock_(clock) {
    const auto wild = std::min(glob.find_first_of("*?["), glob.size());
    prefix_ = glob.substr(0, wild);
    folder_ = prefix_.substr(0, prefix_.rfind('/') + 1);
    pattern_ = glob;
    // fnmatch knows one star only, which matches slashes if it is not told otherwise.
    is_deep_ = pattern_.find("**") != std::string::npos;
    for (const std::string stars : {"**/", "**"}) {
      for (auto at = pattern_.find(stars); at != std::string::npos; at = pattern_.find(stars)) {
        pattern_.replace(at, stars.size(), "*");
      }
    }
  }

  std::string place_of(const std::string& name) const override {
    return "s3://" + s3_.bucket() + "/" + folder_ + name;
  }
  bool can_grow() const override { return false; }

  Result<std::vector<StoredFile>> list() override {
    const auto now = clock_.steady_now();
    // What fits into one page costs the same from its beginning.
    if (is_at_end_ && (is_one_page_ || now - listed_all_at_ >= kListAllEvery)) cursor_.clear();
    const bool is_from_start = cursor_.empty();
    if (is_from_start) listed_all_at_ = now;
    std::vector<StoredFile> files;
    aws::ListOptions options{
        .prefix = prefix_, .start_after = cursor_, .delimiter = is_deep_ ? "" : "/"};
    std::string last;
    std::size_t seen = 0, pages = 0;
    do {
      auto page = TRY(s3_.list(options));
      for (const auto& object : page.objects) {
        last = object.key;
        if (is_match(object.key)) files.push_back(stored(object));
      }
      seen += page.objects.size();
      ++pages;
      options.token = std::move(page.token);
    } while (!options.token.empty() && seen < kListMax);
    is_at_end_ = options.token.empty();
    if (is_from_start) is_one_page_ = is_at_end_ && pages == 1;
    // New ones come behind the last that matches; others may have any name.
    if (!is_at_end_) cursor_ = last;
    if (is_at_end_ && !files.empty()) cursor_ = folder_ + files.back().name;
    return files;
  }

  Result<std::optional<StoredFile>> stat(const std::string& name) override {
    auto object = s3_.look(folder_ + name);
    if (object) return std::optional(stored(*object));
    const auto error = passing(object.error());
    if (error.code == Code::NotFound) return std::optional<StoredFile>();
    return error;
  }

  // By its ETag, which is another one for other bytes.
  Result<void> identify(const StoredFile& file, FoundFile& found) override {
    found.head_hash = log::checksum(file.stamp, 0);
    return {};
  }
  Result<bool> is_same(const StoredFile& now, const FoundFile& known) override {
    return now.bytes == known.stored_bytes && log::checksum(now.stamp, 0) == known.head_hash;
  }

  Result<std::unique_ptr<StoredBytes>> open(const StoredFile& file) override {
    return std::unique_ptr<StoredBytes>(std::make_unique<S3Bytes>(s3_, folder_ + file.name, file));
  }

 private:
  bool is_match(const std::string& key) const {
    return ::fnmatch(pattern_.c_str(), key.c_str(), is_deep_ ? 0 : FNM_PATHNAME) == 0;
  }
  StoredFile stored(const aws::ObjectInfo& object) const {
    return {.name = object.key.substr(folder_.size()), .bytes = object.size, .stamp = object.etag};
  }

  aws::S3 s3_;
  const base::Clock& clock_;
  std::string prefix_;    // all keys begin with it
  std::string folder_;    // of it; names are what is behind it
  std::string pattern_;   // of keys
  bool is_deep_ = false;  // `**`: folders below match too
  std::string cursor_;    // the last key that was listed; empty: list all
  bool is_at_end_ = true;
  bool is_one_page_ = false;
  base::SteadyTime listed_all_at_;
};

}  // namespace

Result<std::unique_ptr<FileStore>> open_s3_files(const config::Source& source, aws::Client& client,
                                                 const base::Clock& clock) {
  const auto* files = std::get_if<config::FilesSource>(&source.from);
  if (files == nullptr || !files->s3) {
    return Error{Code::Invalid, fmt::format("source '{}' reads no files on S3", source.name),
                 source.place.text()};
  }
  const auto& glob = files->s3->key;
  const auto folder = glob.substr(0, glob.rfind('/') + 1);
  if (glob.find("**") == std::string::npos && folder.find_first_of("*?[") != std::string::npos) {
    return no_glob(source, files->glob);
  }
  auto s3 = TRY(aws::S3::open(client, {.bucket = files->s3->bucket, .region = files->s3->region}));
  return std::unique_ptr<FileStore>(std::make_unique<S3Files>(std::move(s3), glob, clock));
}

}  // namespace millrace::source
