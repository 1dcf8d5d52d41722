#include "log/stream_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/text.hpp"

namespace millrace::log {
namespace {

using base::Code;
using base::Error;
using base::Result;
using base::ShardId;
using base::Time;
using std::chrono::microseconds;

constexpr std::string_view kFirstLine = "millrace log 2";
constexpr std::string_view kFirstLineOfVersion1 = "millrace log 1";
constexpr std::uint64_t kFileBytesMax = 16_MiB;
constexpr std::string_view kNone = "-";
constexpr std::string_view kOnDemand = "on_demand";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Time> time_of(std::string_view text) {
  const auto number = number_of(text);
  if (!number) return std::nullopt;
  return Time(microseconds(*number));
}

std::int64_t number_of(Time time) {
  return time.time_since_epoch().count();
}

// Spaces, control characters and `%` as `%NN`: a word without spaces, also if it is empty.
std::string word_of(std::string_view text) {
  std::string word = "=";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == '%' || byte == 0x7f) {
      word += fmt::format("%{:02x}", byte);
    } else {
      word += c;
    }
  }
  return word;
}

std::optional<std::string> text_of_word(std::string_view word) {
  if (!word.starts_with('=')) return std::nullopt;
  std::string text;
  for (std::size_t i = 1; i < word.size(); ++i) {
    if (word[i] != '%') {
      text += word[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= word.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(&word[i + 1], &word[i + 1] + 2, byte, 16);
    if (error != std::errc() || end != &word[i + 1] + 2) return std::nullopt;
    text += static_cast<char>(byte);
    i += 2;
  }
  return text;
}

bool parse_optional(std::string_view word, std::optional<ShardId>& into) {
  if (word == kNone) return true;
  const auto number = number_of(word);
  if (number) into = ShardId(*number);
  return number.has_value();
}

std::optional<ShardInfo> parse_shard(const std::vector<std::string_view>& words) {
  if (words.size() != 7) return std::nullopt;
  const auto first = parse_hexadecimal(words[1]);
  const auto last = parse_hexadecimal(words[2]);
  const auto created_at = time_of(words[3]);
  if (!first || !last || !created_at) return std::nullopt;
  ShardInfo shard{.range = {*first, *last}, .created_at = *created_at};
  if (!parse_optional(words[4], shard.parent)) return std::nullopt;
  if (!parse_optional(words[5], shard.adjacent_parent)) return std::nullopt;
  if (words[6] != kNone) {
    shard.closed_at = time_of(words[6]);
    if (!shard.closed_at) return std::nullopt;
  }
  return shard;
}

/// Takes one line after the other; `is_good` says if all of them made sense.
class Parser {
 public:
  explicit Parser(Time now) : now_(now) {}

  bool take(std::string_view line) {
    const auto words = split(line, ' ');
    const auto& name = words[0];
    if (name == "shard") {
      auto shard = parse_shard(words);
      if (shard) shards_.push_back(std::move(*shard));
      return shard.has_value();
    }
    if (words.size() == 2) return take_value(name, words[1]);
    if (words.size() != 3) return false;
    if (name == "asked") {
      const auto shards = number_of(words[1]);
      const auto retention = number_of(words[2]);
      if (!shards || !retention) return false;
      file_.asked = {static_cast<int>(*shards), microseconds(*retention)};
      return true;
    }
    const auto key = text_of_word(words[1]);
    const auto value = text_of_word(words[2]);
    if (name == "tag" && key && value) return file_.tags.emplace(*key, *value).second;
    const auto at = time_of(words[2]);
    return name == "consumer" && key && at && file_.consumers.emplace(*key, *at).second;
  }

  std::optional<StreamFile> finish() {
    auto map = ShardMap::of(std::move(shards_));
    if (!map || file_.incarnation.empty()) return std::nullopt;
    file_.shards = std::move(*map);
    return std::move(file_);
  }

 private:
  bool take_value(std::string_view name, std::string_view value) {
    if (name == "incarnation") {
      const auto bytes = parse_incarnation(value);
      file_.incarnation = value;
      if (bytes) file_.incarnation_bytes = *bytes;
      return bytes.has_value();
    }
    if (name == "mode") {
      file_.is_on_demand = value == kOnDemand;
      return file_.is_on_demand;
    }
    const auto number = number_of(value);
    if (!number) return false;
    if (name == "record_bytes") file_.record_bytes_max = static_cast<std::uint64_t>(*number);
    if (name == "created") file_.created_at = Time(microseconds(*number));
    if (name == "retention") file_.retention = microseconds(*number);
    if (name == "shards" && *number >= 1 && *number <= kShardsMax) {  // of version 1
      const auto even = ShardMap::even(static_cast<int>(*number), now_);
      shards_.assign(even.shards().begin(), even.shards().end());
    }
    return name == "created" || name == "retention" || name == "shards" || name == "record_bytes";
  }

  const Time now_;
  StreamFile file_;
  std::vector<ShardInfo> shards_;
};

// True if the pipeline file asks for something that it did not ask for before.
Result<bool> do_what_is_asked(StreamFile& file, const StreamOptions& options, Time now) {
  if (options.origin != Origin::Pipeline) return false;
  const StreamFile::Asked asked{options.shards, options.retention_time};
  if (file.asked == asked) return false;
  // A stream that was made while the program ran keeps its shards when it becomes a source.
  if (file.asked && file.asked->shards != asked.shards) {
    file.shards = TRY(file.shards.spread(asked.shards, now));
  }
  if (!file.asked || file.asked->retention != asked.retention) file.retention = asked.retention;
  file.asked = asked;
  return true;
}

StreamFile new_file(const StreamOptions& options, base::Random& random, Time now) {
  StreamFile file{.incarnation = random.uuid(),
                  .created_at = now,
                  .retention = options.retention_time,
                  .shards = ShardMap::even(options.shards, now)};
  file.incarnation_bytes = *parse_incarnation(file.incarnation);
  if (options.origin == Origin::Pipeline) file.asked = {options.shards, options.retention_time};
  return file;
}

}  // namespace

std::string text_of(const StreamFile& file) {
  std::string text = fmt::format("{}\nincarnation {}\ncreated {}\n", kFirstLine, file.incarnation,
                                 number_of(file.created_at));
  if (file.asked) {
    text += fmt::format("asked {} {}\n", file.asked->shards, file.asked->retention.count());
  }
  text += fmt::format("retention {}\n", file.retention.count());
  if (file.record_bytes_max != kRecordBytesUsual) {
    text += fmt::format("record_bytes {}\n", file.record_bytes_max);
  }
  if (file.is_on_demand) text += fmt::format("mode {}\n", kOnDemand);
  const auto id_or_none = [](const std::optional<ShardId>& id) {
    return id ? std::to_string(id->value()) : std::string(kNone);
  };
  for (const auto& shard : file.shards.shards()) {
    text += fmt::format(
        "shard {} {} {} {} {} {}\n", hexadecimal(shard.range.first), hexadecimal(shard.range.last),
        number_of(shard.created_at), id_or_none(shard.parent), id_or_none(shard.adjacent_parent),
        shard.closed_at ? std::to_string(number_of(*shard.closed_at)) : std::string(kNone));
  }
  for (const auto& [key, value] : file.tags) {
    text += fmt::format("tag {} {}\n", word_of(key), word_of(value));
  }
  for (const auto& [name, at] : file.consumers) {
    text += fmt::format("consumer {} {}\n", word_of(name), number_of(at));
  }
  return text + "end\n";
}

std::optional<StreamFile> parse_stream_file(std::string_view text, Time now) {
  if (!text.ends_with('\n')) return std::nullopt;
  auto lines = split(text.substr(0, text.size() - 1), '\n');
  const bool is_version_1 = lines.front() == kFirstLineOfVersion1;
  if (!is_version_1 && (lines.front() != kFirstLine || lines.back() != "end")) return std::nullopt;
  if (!is_version_1) lines.pop_back();
  Parser parser(now);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (!parser.take(lines[i])) return std::nullopt;
  }
  auto file = parser.finish();
  if (file && is_version_1) {
    file->created_at = now;
    file->asked = {file->shards.count(), microseconds(0)};
  }
  return file;
}

os::Path shard_folder(const os::Path& folder, int shard) {
  return folder / fmt::format("{:04}", shard);
}

Result<void> write_stream_file(os::Disk& disk, const os::Path& folder, const StreamFile& file) {
  return os::write_file(disk, folder / "stream", text_of(file));
}

Result<StreamFile> open_stream_file(os::Disk& disk, const os::Path& folder,
                                    const StreamOptions& options, base::Random& random, Time now) {
  TRY(os::make_directories_durably(disk, folder));
  TRY(disk.sync_directory(folder.parent_path()));  // made by a life that was killed before its sync
  const os::Path path = folder / "stream";
  if (!TRY(disk.stat(path))) {
    if (TRY(disk.stat(shard_folder(folder, 0)))) {
      return Error{Code::Corrupt, "the file is missing, but there are segments beside it",
                   path.string()};
    }
    auto file = new_file(options, random, now);
    TRY(write_stream_file(disk, folder, file));
    return file;
  }
  TRY(disk.sync_directory(folder));
  const auto text = TRY(os::read_file(disk, path, kFileBytesMax));
  auto file = parse_stream_file(text, now);
  if (!file) {
    return Error{Code::Corrupt, "this is no description of a stream that this version knows",
                 path.string()};
  }
  const bool is_changed = TRY(do_what_is_asked(*file, options, now));
  if (is_changed || text.starts_with(kFirstLineOfVersion1)) {
    TRY(write_stream_file(disk, folder, *file));
  }
  return std::move(*file);
}

}  // namespace millrace::log
