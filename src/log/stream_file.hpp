#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "log/format.hpp"
#include "log/log.hpp"
#include "log/shard_map.hpp"
#include "os/disk.hpp"

namespace millrace::log {

inline constexpr std::uint64_t kRecordBytesUsual = 1_MiB;

/// What the file `stream` in a stream's folder says. docs/formats/log.md has its lines.
struct StreamFile {
  /// What the pipeline file asked for when it was last read: what it asks for anew is done, what
  /// was changed since by other ways stays.
  struct Asked {
    int shards = 0;
    std::chrono::microseconds retention{0};
    bool operator==(const Asked&) const = default;
  };

  std::string incarnation;  ///< a UUID
  IncarnationBytes incarnation_bytes{};
  base::Time created_at;
  std::optional<Asked> asked;  ///< none: it was made while the program ran
  std::chrono::microseconds retention{
      0};  ///< for how long records are kept at least, if there is room
  ShardMap shards;
  std::uint64_t record_bytes_max = kRecordBytesUsual;  ///< of key and bytes, over Kinesis' API
  bool is_on_demand = false;                           ///< what Kinesis' API calls it; no more
  std::map<std::string, std::string> tags;
  std::map<std::string, base::Time> consumers;  ///< by name: when they were registered
};

std::string text_of(const StreamFile& file);
/// None: no description of a stream that this version knows. A file of version 1 knows no times:
/// `now` stands for them.
std::optional<StreamFile> parse_stream_file(std::string_view text, base::Time now);

/// Reads the file; makes it, durably, if the folder is new; does what `options` asks for anew.
/// Errors  Corrupt: damaged, or missing beside segments. Exhausted: more shards than there may be.
base::Result<StreamFile> open_stream_file(os::Disk& disk, const os::Path& folder,
                                          const StreamOptions& options, base::Random& random,
                                          base::Time now);

base::Result<void> write_stream_file(os::Disk& disk, const os::Path& folder,
                                     const StreamFile& file);

/// `0003`
os::Path shard_folder(const os::Path& folder, int shard);

}  // namespace millrace::log
