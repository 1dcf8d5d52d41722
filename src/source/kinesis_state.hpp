#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "os/disk.hpp"

namespace millrace::source {

/// What a Kinesis source remembers beside the tables: docs/formats/kinesis_source.md.
/// Threads: one at a time.
class KinesisState {
 public:
  struct First {
    std::string sequence_number;
    base::Time arrived_at;
  };
  struct Quiet {
    base::Offset position;
    base::Time at;
  };

  /// Opens the state in `folder`. Of another `incarnation`, or of none, it begins anew.
  /// Errors  Corrupt: damaged.
  static base::Result<std::unique_ptr<KinesisState>> open(os::Disk& disk, const os::Path& folder,
                                                          const std::string& incarnation);

  /// The incarnation that the state in `folder` is of; empty: there is no state.
  static base::Result<std::string> incarnation_in(os::Disk& disk, const os::Path& folder);

  /// Whether there was none of this incarnation.
  bool is_new() const { return is_new_; }
  /// The time from which on records are read; none: from the oldest.
  std::optional<base::Time> start() const { return start_; }
  const First* first(base::ShardId shard) const;
  const Quiet* quiet(base::ShardId shard) const;
  std::optional<base::Offset> ended(base::ShardId shard) const;

  /// All are durable when they return without an error.
  base::Result<void> begin(std::optional<base::Time> start);
  base::Result<void> note_first(base::ShardId shard, First first);
  base::Result<void> note_ended(base::ShardId shard, base::Offset position);
  base::Result<void> note_quiet(const std::map<base::ShardId, Quiet>& quiet);

 private:
  KinesisState(os::Disk& disk, os::Path path) : disk_(disk), path_(std::move(path)) {}
  base::Result<void> load(const std::string& text, const std::string& incarnation);
  bool take_line(const std::string& line);
  base::Result<void> write();

  os::Disk& disk_;
  const os::Path path_;
  std::string incarnation_;
  bool is_new_ = true;
  std::optional<base::Time> start_;
  std::map<base::ShardId, First> firsts_;
  std::map<base::ShardId, Quiet> quiet_;
  std::map<base::ShardId, base::Offset> ended_;
};

}  // namespace millrace::source
