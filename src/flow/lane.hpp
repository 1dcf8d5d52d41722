#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/record.hpp"
#include "decode/decoder.hpp"
#include "flow/micro_batch.hpp"
#include "flow/replay.hpp"
#include "flow/table_flow.hpp"
#include "source/source.hpp"

namespace millrace::flow {

/// One way in for records of a source: the source itself, or a replay.
struct Lane {
  struct Shard {
    base::ShardId id;              // negative for a replay
    base::SteadyTime record_at{};  // when the last record came
    bool is_finished = false;      // closed, and read to its end by all tables that run
    // Of a source that several workers share:
    bool is_ours = true;      // is read here
    bool is_leaving = false;  // was: what was read of it is being committed, or dropped
    std::uint64_t given = 0;  // when it was given to us, by `source::Share`
    // By table, what was committed when it left: whoever finds it there again knows its keys still.
    std::vector<std::optional<std::int64_t>> left_at = {};
    bool is_forgotten = false;       // its keys are not known any more
    base::SteadyTime rests_until{};  // another worker moved it: who has it will soon be known
    std::int64_t followed = -1;      // where another's commits stood last
  };

  source::Source* stream = nullptr;
  std::unique_ptr<ReplaySource> replay;  // null: the source itself
  std::string incarnation;
  std::vector<Shard> shards;
  std::vector<std::size_t> tables;  // that read it, parents first

  bool is_idle(std::size_t shard, base::SteadyTime now) const {
    return shards[shard].is_finished || now - shards[shard].record_at >= std::chrono::minutes(1);
  }
};

/// For a shard that is not to be read now.
inline constexpr base::Offset kNotNow{INT64_MAX};

/// Makes micro-batches of what lanes of one source hold.
struct LaneReader {
  const config::Source& source;
  decode::Decoder& decoder;
  const base::Clock& clock;

  /// Reads what is there of each shard from `from` on (unless that is `kNotNow`), up to `bytes_max`
  /// in all, and decodes it.
  /// Shape   none if nothing is there.
  /// Errors  as `Source::read`; Unavailable: schemas are not to be had at the moment.
  base::Result<std::optional<MicroBatch>> read(Lane& lane, const std::vector<base::Offset>& from,
                                               std::uint64_t bytes_max) const;
  /// Adds the records of a shard, which were read from `from` on, decoded.
  base::Result<void> add(base::RecordBatch records, base::Offset from, MicroBatch& batch) const;
};

/// How a source's records are decoded.
decode::DecoderOptions decoder_options(const config::Source& source,
                                       std::shared_ptr<decode::SchemaRegistry> registry);

/// The rows that `parent` has committed for positions of `batch` from `from` to before `until`, in
/// the order of the batch: what a child that is behind it reads.
base::Result<Chunks> committed_rows(const TableFlow& parent, lake::Table& table,
                                    const MicroBatch& batch, const std::vector<base::Offset>& from,
                                    const std::vector<base::Offset>& until);

/// The rows that `parent` has committed for the records of a replay, at the replay's positions.
base::Result<Chunks> replayed_rows(const TableFlow& parent, lake::Table& table,
                                   const MicroBatch& batch);

}  // namespace millrace::flow
