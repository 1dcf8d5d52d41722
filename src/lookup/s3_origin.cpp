#include "lookup/s3_origin.hpp"

#include <fmt/format.h>

namespace millrace::lookup {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace base::literals;

// How often an object may be replaced while it is read.
constexpr int kReplacedMax = 3;

// What tells DuckDB how a file is packed.
std::string packed_end(const std::string& key) {
  return key.ends_with(".gz") ? ".gz" : key.ends_with(".zst") ? ".zst" : "";
}

class S3Origin final : public Origin {
 public:
  S3Origin(const config::Lookup& lookup, aws::S3 s3, os::Disk& disk, const os::Path& scratch)
      : key_(std::get<config::S3Place>(lookup.from).key),
        format_(lookup.format),
        s3_(std::move(s3)),
        disk_(disk),
        path_(scratch / (lookup.name + packed_end(key_))) {}

  std::string place() const override { return "s3://" + s3_.bucket() + "/" + key_; }

  Result<std::optional<std::string>> version(const OriginLimits& limits,
                                             const std::stop_token& stop) override {
    return std::optional(version_of(TRY(look(limits, stop))));
  }

  Result<LocalCopy> bring(const OriginLimits& limits, const std::stop_token& stop) override {
    for (int tried = 1;; ++tried) {
      const auto object = TRY(look(limits, stop));
      auto copy = download(object, stop);
      if (copy) return copy;
      // It was replaced between the two: its new version is as good.
      const bool is_replaced = copy.error().code == Code::Invalid;
      if (!is_replaced || tried == kReplacedMax) return copy;
    }
  }

 private:
  static std::string version_of(const aws::ObjectInfo& object) {
    return fmt::format("{} {}", object.size, object.etag);
  }

  Result<aws::ObjectInfo> look(const OriginLimits& limits, const std::stop_token& stop) {
    auto object = TRY(s3_.look(key_, stop));
    if (object.size > limits.file_bytes_max) return too_large(object.size, limits);
    return object;
  }

  Result<LocalCopy> download(const aws::ObjectInfo& object, const std::stop_token& stop) {
    TRY(disk_.remove(path_));
    const auto file = TRY(disk_.open(path_, os::OpenMode::CreateNew));
    LocalCopy copy{.path = path_,
                   .format = format_,
                   .version = version_of(object),
                   .keeper = remove_with(disk_, path_)};
    TRY(s3_.download(object, [&](std::string_view bytes) { return file->append(bytes); }, stop));
    return copy;
  }

  const std::string key_;
  const config::LookupFormat format_;
  aws::S3 s3_;
  os::Disk& disk_;
  const os::Path path_;
};

}  // namespace

Result<std::unique_ptr<Origin>> open_s3_origin(const config::Lookup& lookup, aws::Client& client,
                                               os::Disk& disk, const os::Path& scratch) {
  const auto& from = std::get<config::S3Place>(lookup.from);
  auto s3 = TRY(
      aws::S3::open(client, {.bucket = from.bucket, .part_bytes = 8_MiB, .region = from.region}));
  return std::unique_ptr<Origin>(std::make_unique<S3Origin>(lookup, std::move(s3), disk, scratch));
}

}  // namespace millrace::lookup
