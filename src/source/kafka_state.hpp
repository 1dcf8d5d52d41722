#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/id.hpp"
#include "os/disk.hpp"

namespace millrace::source {

/// What a Kafka source remembers beside the tables: docs/formats/kafka_source.md.
/// Threads: one at a time.
class KafkaState {
 public:
  /// Opens the state in `folder`. Of another topic, or of none, it begins anew.
  /// Errors  Corrupt: damaged.
  static base::Result<std::unique_ptr<KafkaState>> open(os::Disk& disk, const os::Path& folder,
                                                        const std::string& topic);

  /// Which life of the topic this is, from 1.
  int life() const { return life_; }
  /// Where reading began; none: it has not.
  std::optional<base::Offset> begin(base::ShardId partition) const;
  /// Whether any partition was begun.
  bool has_begun() const { return !begins_.empty(); }

  /// Both are durable when they return without an error.
  base::Result<void> note_begins(const std::map<base::ShardId, base::Offset>& begins);
  /// The topic was deleted or made anew.
  base::Result<void> end_life();

 private:
  KafkaState(os::Disk& disk, os::Path path, std::string topic)
      : disk_(disk), path_(std::move(path)), topic_(std::move(topic)) {}
  base::Result<void> load(const std::string& text);
  base::Result<void> write();

  os::Disk& disk_;
  const os::Path path_;
  const std::string topic_;
  int life_ = 1;
  std::map<base::ShardId, base::Offset> begins_;
};

}  // namespace millrace::source
