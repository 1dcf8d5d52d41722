#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/kinesis.hpp"
#include "base/record.hpp"
#include "log/hash_key.hpp"
#include "source/kinesis_mark.hpp"

namespace millrace::source {

/// What was fetched of one shard and not yet taken, and how its records are numbered: a record's
/// position is its number since the source's start in that shard, user records of the KPL each for
/// itself. It asks nobody. Threads: one at a time.
class KinesisShard {
 public:
  KinesisShard(base::ShardId id, std::optional<log::HashRange> range) : id_(id), range_(range) {}

  base::ShardId id() const { return id_; }
  void set_range(std::optional<log::HashRange> range) { range_ = range; }

  /// A place that a table knows, or that is known otherwise.
  void remember(base::Offset position, const KinesisPlace& place);
  /// The place of a position that was read up to; none at 0.
  std::optional<KinesisPlace> place(base::Offset position) const;
  /// Where the smallest place lies that is not the shard's beginning.
  std::optional<base::Offset> smallest() const;
  base::Offset greatest() const { return greatest_; }
  /// Forgets places that nobody needs who stands at `position` or behind.
  void release(base::Offset position);

  /// Whether what is fetched next leads on to `from`.
  bool leads_to(base::Offset from) const;
  /// Goes to the last known place that is not behind `from`. What was fetched is dropped.
  void seek(base::Offset from);
  /// Goes to the next known place behind this one. False: there is none.
  bool skip_ahead();
  /// Goes to the place that `records` lead on from, which are consecutive: the last one before
  /// them, if what they hold up to the next place agrees with it; else that next place. What was
  /// fetched is dropped.
  void seek_for(const std::vector<aws::StreamRecord>& records);
  /// Where the next page has to begin: after this sequence number; empty: at the shard's beginning.
  const std::string& after() const { return after_; }
  base::Offset begin() const { return begin_; }
  base::Offset end() const { return end_; }

  /// What a page says.
  enum class Fits : std::uint8_t {
    Yes,
    Unclear,  ///< the record at `after` must come first, and nothing came yet
    Not,      ///< it did not come: it is no longer retained, nor may be what came behind it
  };
  /// Whether `page` leads on from `after`, if it was asked for at that very record, or at
  /// `first`, the shard's first record.
  Fits fits(const aws::RecordPage& page, const std::string& first) const;
  using Records = std::shared_ptr<const aws::StreamRecords>;
  /// Adds those of a page's records that are behind `after`.
  /// Shape   for each record, where it ends; those before are passed over, and end where the first
  ///         one begins.
  std::vector<base::Offset> add(Records records);
  std::vector<base::Offset> add(aws::RecordPage page) {
    return add(std::make_shared<const aws::StreamRecords>(std::move(page.records)));
  }

  /// The records from `from` on, whole records of Kinesis, up to `bytes_max`.
  base::RecordBatch take(base::Offset from, std::uint64_t bytes_max);
  bool has(base::Offset from) const { return !parts_.empty() && end_ > from; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  /// The records of one page.
  struct Part {
    struct Cut {
      std::size_t records = 0;  // of the part up to here, and the end of a record of Kinesis
      std::size_t owned = 0;    // which that is
    };
    base::Offset first;
    std::vector<base::Record> records;
    std::vector<Cut> cuts;
    std::uint64_t bytes = 0;
    Records owned;

    std::string_view number_at(const Cut& cut) const {
      return owned->records[cut.owned].sequence_number;
    }
  };
  void add_record(const aws::StreamRecord& record, Part& part) const;
  void drop_before(base::Offset from);
  void note(base::Offset position, std::string_view sequence_number);

  const base::ShardId id_;
  std::optional<log::HashRange> range_;
  std::map<base::Offset, std::string> places_{{base::Offset(0), ""}};  // read up to: after
  base::Offset greatest_;  // position that a table knows
  std::deque<std::shared_ptr<const Part>> parts_;
  std::uint64_t bytes_ = 0;
  base::Offset begin_;  // of what leads on from the last seek
  base::Offset end_;
  std::string after_;
  bool is_placed_ = false;
};

}  // namespace millrace::source
