#pragma once

#include <map>
#include <string>
#include <vector>

#include "flow/table_flow.hpp"

namespace millrace::flow {

/// Where a row comes from.
struct Position {
  std::int32_t shard = -1;
  std::int64_t offset = -1;
  auto operator<=>(const Position&) const = default;
};

/// The positions of a chunk's rows.
class Positions {
 public:
  Positions(const sql::Chunk& chunk, std::size_t shard_column)
      : shards_(chunk.column(shard_column).data<std::int32_t>()),
        offsets_(chunk.column(shard_column + 1).data<std::int64_t>()) {}
  Position at(std::size_t row) const { return {shards_[row], offsets_[row]}; }

 private:
  const std::int32_t* shards_;
  const std::int64_t* offsets_;
};

/// One call of `TableFlow::apply`.
struct TableFlow::Work {
  struct Shard {
    std::string id;          // app id
    std::int64_t from = 0;   // what the table does not have yet
    std::int64_t until = 0;  // as far as the rows go
    ShardCounts counts = {};
  };

  explicit Work(const MicroBatch& batch_) : batch(batch_) {}
  const Shard* shard(std::int32_t number) const {
    const auto found = shards.find(number);
    return found == shards.end() ? nullptr : &found->second;
  }

  const MicroBatch& batch;
  std::map<std::int32_t, Shard> shards;
  RowSet input;            // rows of records that the table does not have yet
  RowSet rows;             // those of them that are left
  std::vector<bool> keep;  // of `rows`, while they are judged
  std::vector<Reject> rejects;
  std::vector<sql::Chunk> output;
  Counts counts;
  std::string halted;
  Position last;  // of the row before, for _row
  std::int32_t last_row = -1;
  std::vector<sql::Chunk> reject_chunks;
};

}  // namespace millrace::flow
