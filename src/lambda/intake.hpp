#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "flow/worker.hpp"
#include "source/handed_source.hpp"

namespace millrace::lambda {

/// What became of a batch of one shard.
struct Taken {
  std::size_t count = 0;             ///< of its records
  std::size_t committed = 0;         ///< of them, from the first on
  std::optional<base::Error> error;  ///< why not all of them
};

/// Records of one source, by shard, oldest first.
using Batch = std::map<base::ShardId, aws::StreamRecords>;

/// Hands records to the worker and has all tables commit them.
/// Threads: one at a time.
class Intake {
 public:
  /// Both must outlive it.
  Intake(flow::Worker& worker, const base::Clock& clock) : worker_(worker), clock_(clock) {}

  /// Returns when all tables have committed all of `batch`, or at `until`. What is not committed
  /// then may yet be: it is asked of the tables when it comes again.
  /// Shape   an entry for each shard.
  std::map<base::ShardId, Taken> take(source::HandedSource& source, Batch batch,
                                      base::SteadyTime until);

 private:
  base::Result<void> commit(source::HandedSource& source,
                            const std::map<base::ShardId, std::size_t>& handed,
                            base::SteadyTime until);
  std::optional<base::Error> trouble() const;

  flow::Worker& worker_;
  const base::Clock& clock_;
};

}  // namespace millrace::lambda
