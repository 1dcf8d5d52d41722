#include "log/stream_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace millrace::log {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kFirstLine = "millrace log 1\n";
constexpr std::string_view kIncarnation = "incarnation ";
constexpr std::string_view kShards = "\nshards ";
constexpr std::uint64_t kFileBytesMax = 4096;

std::string text_of(const StreamFile& file) {
  return fmt::format("{}{}{}{}{}\n", kFirstLine, kIncarnation, file.incarnation, kShards,
                     file.shards);
}

std::optional<StreamFile> parse(std::string_view text) {
  StreamFile file;
  if (!text.starts_with(kFirstLine)) return std::nullopt;
  text.remove_prefix(kFirstLine.size());
  if (!text.starts_with(kIncarnation)) return std::nullopt;
  text.remove_prefix(kIncarnation.size());
  const auto line_end = text.find('\n');
  if (line_end == std::string_view::npos) return std::nullopt;
  file.incarnation = text.substr(0, line_end);
  const auto bytes = parse_incarnation(file.incarnation);
  text.remove_prefix(line_end);
  if (!bytes || !text.starts_with(kShards) || !text.ends_with('\n')) return std::nullopt;
  file.incarnation_bytes = *bytes;
  text.remove_prefix(kShards.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), file.shards);
  const bool is_whole = error == std::errc() && end + 1 == text.data() + text.size();
  if (!is_whole || file.shards < 1) return std::nullopt;
  return file;
}

}  // namespace

os::Path shard_folder(const os::Path& folder, int shard) {
  return folder / fmt::format("{:04}", shard);
}

Result<StreamFile> open_stream_file(os::Disk& disk, const os::Path& folder, int shards,
                                    base::Random& random) {
  TRY(os::make_directories_durably(disk, folder));
  TRY(disk.sync_directory(folder.parent_path()));  // made by a life that was killed before its sync
  const os::Path path = folder / "stream";
  if (!TRY(disk.stat(path))) {
    if (TRY(disk.stat(shard_folder(folder, 0)))) {
      return Error{Code::Corrupt, "the file is missing, but there are segments beside it",
                   path.string()};
    }
    StreamFile file{.incarnation = random.uuid(), .incarnation_bytes = {}, .shards = shards};
    file.incarnation_bytes = *parse_incarnation(file.incarnation);
    TRY(os::write_file(disk, path, text_of(file)));
    return file;
  }
  TRY(disk.sync_directory(folder));
  auto file = parse(TRY(os::read_file(disk, path, kFileBytesMax)));
  if (!file) {
    return Error{Code::Corrupt, "this is no description of a stream that this version knows",
                 path.string()};
  }
  if (file->shards > shards) {
    return Error{
        Code::Invalid,
        fmt::format("the stream has {} shards, the pipeline file says {}: shards can be "
                    "added, not removed; set `shards: {}`, or start with a new data folder",
                    file->shards, shards, file->shards),
        path.string()};
  }
  if (file->shards < shards) {
    file->shards = shards;
    TRY(os::write_file(disk, path, text_of(*file)));
  }
  return std::move(*file);
}

}  // namespace millrace::log
