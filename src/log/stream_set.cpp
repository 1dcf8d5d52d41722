#include "log/stream_set.hpp"

#include <fmt/format.h>

#include <utility>

#include "log/stream_file.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Result;

namespace {

// No stream's folder begins with it.
constexpr std::string_view kDeleted = "%deleted-";
constexpr std::string_view kDot = "%2e";
constexpr std::uint64_t kFileBytesMax = 16_MiB;

std::string name_of_folder(const std::string& folder) {
  return folder.starts_with(kDot) ? "." + folder.substr(kDot.size()) : folder;
}

}  // namespace

StreamSet::StreamSet(Options options, const Tools& tools)
    : options_(std::move(options)), tools_(tools) {}

Result<std::unique_ptr<StreamSet>> StreamSet::open(Options options, const Tools& tools) {
  std::unique_ptr<StreamSet> set(new StreamSet(std::move(options), tools));
  const os::Path& folder = set->options_.folder;
  TRY(os::make_directories_durably(tools.disk, folder));
  for (const auto& file : TRY(tools.disk.list(folder))) {
    if (file.name.starts_with(kDeleted)) TRY(os::remove_all(tools.disk, folder / file.name));
  }
  return set;
}

// `.` and `..` are no names of folders.
os::Path StreamSet::folder_of(std::string_view name) const {
  if (!name.starts_with('.')) return options_.folder / name;
  return options_.folder / fmt::format("{}{}", kDot, name.substr(1));
}

Result<std::shared_ptr<Stream>> StreamSet::open_stream(StreamOptions options) {
  const std::string name = options.name;
  std::shared_ptr<Stream> stream = TRY(Stream::open(folder_of(name), std::move(options), tools_));
  const std::lock_guard lock(mutex_);
  streams_[name] = stream;
  return stream;
}

Result<std::shared_ptr<Stream>> StreamSet::add(StreamOptions options) {
  const std::lock_guard one_at_a_time(changing_);
  return open_stream(std::move(options));
}

Result<void> StreamSet::add_made() {
  const std::lock_guard one_at_a_time(changing_);
  for (const auto& folder : TRY(tools_.disk.list(options_.folder))) {
    const std::string name = name_of_folder(folder.name);
    if (!folder.is_directory || find(name)) continue;
    const os::Path path = options_.folder / folder.name / "stream";
    if (!TRY(tools_.disk.stat(path))) continue;
    const auto text = TRY(os::read_file(tools_.disk, path, kFileBytesMax));
    const auto file = parse_stream_file(text, tools_.clock.now());
    if (file && file->asked) continue;  // what is damaged is said when it is opened
    StreamOptions options = options_.made;
    options.name = name;
    options.origin = Origin::Api;
    TRY(open_stream(std::move(options)));
  }
  return {};
}

std::shared_ptr<Stream> StreamSet::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(name);
  return found == streams_.end() ? nullptr : found->second;
}

std::vector<std::string> StreamSet::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, stream] : streams_) names.push_back(name);
  return names;
}

Result<std::shared_ptr<Stream>> StreamSet::create(const std::string& name, int shards) {
  const std::lock_guard one_at_a_time(changing_);
  if (find(name)) {
    return Error{Code::Invalid, fmt::format("a stream '{}' exists already", name)};
  }
  if (TRY(tools_.disk.stat(folder_of(name) / "stream"))) {
    return Error{Code::Invalid,
                 fmt::format("the data folder still has the records of a source '{}', which the "
                             "pipeline file names no more",
                             name)};
  }
  if (names().size() >= options_.streams_max) {
    return Error{Code::Exhausted,
                 fmt::format("there are {} streams; more are not possible", options_.streams_max)};
  }
  StreamOptions options = options_.made;
  options.name = name;
  options.origin = Origin::Api;
  options.shards = shards;
  return open_stream(std::move(options));
}

// Its folder gets a name that no stream has, durably: from then on it is gone, and what a kill
// leaves of it is removed at the next start.
Result<void> StreamSet::remove(const std::string& name) {
  const std::lock_guard one_at_a_time(changing_);
  const auto stream = find(name);
  if (!stream) return Error{Code::NotFound, fmt::format("no stream is named '{}'", name)};
  if (stream->origin() == Origin::Pipeline) {
    return Error{Code::Denied, fmt::format("stream '{}' is a source of the pipeline file", name)};
  }
  stream->close();
  {
    const std::lock_guard lock(mutex_);
    streams_.erase(name);
  }
  const os::Path grave = options_.folder / fmt::format("{}{}", kDeleted, stream->incarnation());
  TRY(tools_.disk.rename(folder_of(name), grave));
  TRY(tools_.disk.sync_directory(options_.folder));
  return os::remove_all(tools_.disk, grave);
}

void StreamSet::close() {
  for (const auto& name : names()) find(name)->close();
}

}  // namespace millrace::log
