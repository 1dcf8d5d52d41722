#include "app/s3_lake.hpp"

#include <chrono>

#include "sql/httpfs.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr auto kLookForNewKeys = std::chrono::seconds(30);

}  // namespace

Result<std::unique_ptr<S3Lake>> S3Lake::open(const std::string& place, const os::Path& scratch,
                                             const lake::FileCache::Options& cache, World& world,
                                             Reads reads) {
  auto* session = TRY(world.aws.session().context("the lake at " + place));
  if (session->settings().region.empty()) {
    return Error{Code::Invalid,
                 "the lake is on S3, and no region is set: set AWS_REGION to the bucket's", place};
  }
  std::unique_ptr<S3Lake> lake(new S3Lake(*session, place));
  if (reads == Reads::Yes) TRY(lake->write_httpfs(scratch, world.disk));
  TRY(lake->connect(world, reads).context("the lake at " + place));
  if (cache.bytes_max > 0) TRY(lake->open_cache(cache, world));
  const auto drafts = scratch / "drafts";
  TRY(world.disk.make_directories(drafts));
  lake->store_ =
      std::make_unique<lake::S3Store>(*lake->s3_, world.disk, drafts, lake->cache_.get());
  return lake;
}

Result<void> S3Lake::write_httpfs(const os::Path& scratch, os::Disk& disk) {
  const auto extension = sql::httpfs_extension();
  if (extension.empty()) {
    return Error{Code::Invalid,
                 "this build has no httpfs, with which tables on S3 are read: build it where "
                 "tools/fetch_httpfs.py can bring it",
                 tables_.string()};
  }
  httpfs_ = scratch / sql::kHttpfsName;
  TRY(disk.remove(httpfs_));
  return os::write_file(disk, httpfs_, extension);
}

Result<void> S3Lake::connect(World& world, Reads reads) {
  const auto [bucket, prefix] = lake::cut_s3_path(tables_.string());
  s3_ = std::make_unique<aws::S3>(TRY(aws::S3::open(session_.client(), {.bucket = bucket})));
  endpoint_ = TRY(session_.settings().endpoint(aws::kS3));
  if (reads == Reads::Yes) TRY(s3_->probe(prefix + "/", world.random));
  return {};
}

Result<void> S3Lake::open_cache(const lake::FileCache::Options& options, World& world) {
  const auto fetch = [this](const os::Path& path, std::uint64_t bytes,
                            const lake::FileCache::Write& write, const std::stop_token& stop) {
    return s3_->download({.key = lake::cut_s3_path(path.string()).second, .size = bytes}, write,
                         stop);
  };
  cache_ = TRY(lake::FileCache::open(options, world.disk, fetch, world.telemetry()));
  return {};
}

Result<sql::S3Access> S3Lake::access(const std::stop_token& stop) const {
  auto keys = TRY(session_.credentials().get(stop));
  return sql::S3Access{.scope = tables_.string(),
                       .key_id = std::move(keys.access_key_id),
                       .secret = std::move(keys.secret_access_key),
                       .session_token = std::move(keys.session_token),
                       .region = session_.settings().region,
                       .endpoint = endpoint_.substr(endpoint_.find("://") + 3),
                       .is_in_path = s3_->is_in_path(),
                       .is_tls = endpoint_.starts_with("https://")};
}

S3Readers::S3Readers(const S3Lake& lake, sql::S3Access told, std::vector<Reader> readers) {
  thread_ = std::jthread([&lake, now = std::move(told),
                          all = std::move(readers)](const std::stop_token& stop) mutable {
    while (aws::pause(kLookForNewKeys, stop)) {
      auto access = lake.access(stop);
      if (!access || *access == now) continue;  // the provider tells what failed
      bool is_told = true;
      for (const auto& reader : all) is_told = reader(*access).has_value() && is_told;
      if (is_told) now = std::move(*access);
    }
  });
}

}  // namespace millrace::app
