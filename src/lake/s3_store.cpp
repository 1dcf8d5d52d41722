#include "lake/s3_store.hpp"

#include <algorithm>

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kScheme = "s3://";
constexpr std::size_t kEntriesMax = 2'000'000;
constexpr std::uint64_t kCommitBytesMax = std::uint64_t{1} << 30;

// A bucket that is gone is not a file that is not there, and to be refused is not the end.
Error passing(Error error) {
  const bool is_bucket_gone = error.message.find("NoSuchBucket") != std::string::npos;
  if (is_bucket_gone || error.code == Code::Denied || error.code == Code::Corrupt ||
      error.code == Code::Invalid) {
    error.code = Code::Unavailable;
  }
  return error;
}

template <class T>
Result<T> passing(Result<T> result) {
  if (result) return result;
  return passing(std::move(result).error());
}

std::string name_of(std::string_view key) {
  return std::string(key.substr(key.rfind('/') + 1));
}

// A commit never changes.
bool is_commit(std::string_view key) {
  return key.find("/_delta_log/") != std::string_view::npos && key.ends_with(".json");
}

bool is_data_file(const os::Path& path) {
  return path.string().find("/_delta_log/") == std::string::npos;
}

os::FileInfo info_of(const aws::ObjectInfo& object) {
  return {.name = name_of(object.key), .size = object.size, .modified_at = object.modified_at};
}

}  // namespace

std::pair<std::string, std::string> cut_s3_path(std::string_view path) {
  CHECK(path.starts_with(kScheme));
  path.remove_prefix(kScheme.size());
  while (path.ends_with('/')) path.remove_suffix(1);
  const auto slash = path.find('/');
  if (slash == std::string_view::npos) return {std::string(path), ""};
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

std::string S3Store::key_of(const os::Path& path) const {
  auto [bucket, key] = cut_s3_path(path.string());
  CHECK(bucket == s3_.bucket());
  return std::move(key);
}

Result<std::string> S3Store::read(const os::Path& path) {
  const auto key = key_of(path);
  if (auto known = commits_.find(key)) return std::move(*known);
  auto object = TRY(passing(s3_.get(key, {.bytes_max = kCommitBytesMax})));
  if (is_commit(key)) commits_.keep(key, object.bytes);
  return std::move(object.bytes);
}

Result<PutOutcome> S3Store::put_if_absent(const os::Path& path, std::string_view bytes) {
  using enum PutOutcome::What;
  using Answer = aws::PutOutcome::What;
  const auto key = key_of(path);
  const auto put = TRY(passing(s3_.put_if_absent(key, std::string(bytes))));
  if (put.what == Answer::Created) {
    if (is_commit(key)) commits_.keep(key, bytes);
    return PutOutcome{Created};
  }
  if (put.what == Answer::Exists) return PutOutcome{Exists};
  if (put.what == Answer::Conflict) return PutOutcome{Conflict};
  return PutOutcome{Ambiguous, Error{Code::Unknown, put.detail, path.string()}};
}

Result<void> S3Store::put(const os::Path& path, std::string_view bytes) {
  return passing(s3_.put(key_of(path), std::string(bytes)));
}

Result<std::optional<os::FileInfo>> S3Store::stat(const os::Path& path) {
  const auto found = TRY(passing(s3_.head(key_of(path))));
  return found ? std::optional(info_of(*found)) : std::optional<os::FileInfo>();
}

Result<std::vector<os::FileInfo>> S3Store::list(const os::Path& folder, std::string_view after) {
  const auto prefix = key_of(folder) + "/";
  const auto found = TRY(passing(
      s3_.list_all({.prefix = prefix, .start_after = prefix + std::string(after), .delimiter = "/"},
                   kEntriesMax)));
  std::vector<os::FileInfo> entries;
  for (const auto& object : found.objects) {
    if (object.key != prefix) entries.push_back(info_of(object));
  }
  for (std::string_view one : found.prefixes) {
    one.remove_suffix(1);
    entries.push_back({.name = name_of(one), .is_directory = true});
  }
  std::erase_if(entries, [&](const auto& entry) { return entry.name <= after; });
  std::ranges::sort(entries, {}, &os::FileInfo::name);
  return entries;
}

Result<void> S3Store::remove(const std::vector<os::Path>& paths) {
  std::vector<std::string> keys;
  for (const auto& path : paths) keys.push_back(key_of(path));
  for (const auto& key : keys) commits_.forget(key);
  if (cache_) std::ranges::for_each(paths, [&](const auto& path) { cache_->forget(path); });
  if (keys.size() == 1) return passing(s3_.remove(keys.front()));
  return passing(s3_.remove_all(keys));
}

Result<void> S3Store::make_folder(const os::Path& /*root*/, const os::Path& /*folder*/,
                                  Settled /*settled*/) {
  return {};
}

Result<void> S3Store::settle(const os::Path& /*folder*/) {
  return {};
}

Result<os::FileInfo> S3Store::publish(const os::Path& draft, const os::Path& path) {
  auto info = TRY(disk_.stat(draft));
  if (!info) {
    return Error{Code::Unavailable, "the file that was just written is gone", draft.string()};
  }
  const auto file = TRY(disk_.open(draft, os::OpenMode::Read));
  const aws::ReadPart read = [&](std::uint64_t offset, std::uint64_t size) -> Result<std::string> {
    std::string bytes(size, '\0');
    bytes.resize(TRY(file->read_at(offset, bytes.data(), bytes.size())));
    return bytes;
  };
  TRY(passing(s3_.upload(key_of(path), info->size, read)));
  const bool is_kept = cache_ && is_data_file(path) && cache_->keep(draft, path, info->size);
  if (!is_kept) (void)disk_.remove(draft).has_value();
  info->name = path.filename().string();
  return *info;
}

}  // namespace millrace::lake
