#include "lambda/intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace millrace::lambda {

using base::Code;
using base::Error;
using base::Result;
using base::ShardId;
using namespace std::chrono_literals;

namespace {

// The worker itself tries a failed commit again.
constexpr auto kRetry = 50ms;

}  // namespace

std::map<ShardId, Taken> Intake::take(source::HandedSource& source, Batch batch,
                                      base::SteadyTime until) {
  std::map<ShardId, std::size_t> handed;
  for (auto& [shard, records] : batch) {
    handed[shard] = records.records.size();
    source.hand(shard, std::move(records));
  }
  const auto done = commit(source, handed, until);
  std::map<ShardId, Taken> taken;
  for (const auto& [shard, count] : handed) {
    auto& one = taken[shard];
    one.count = count;
    one.committed = source.committed(shard);
    if (one.committed < count) {
      one.error = done ? Error{Code::Unavailable, "not all is committed yet"} : done.error();
    }
    source.take_back(shard);
  }
  return taken;
}

// A commit that met another process's drops what is not committed, and all of it is taken anew.
Result<void> Intake::commit(source::HandedSource& source,
                            const std::map<ShardId, std::size_t>& handed, base::SteadyTime until) {
  for (;;) {
    for (const auto& [shard, count] : handed) {
      if (auto taken = source.wait_taken(shard, until); !taken) {
        const auto why = trouble();
        return why ? *why : taken;
      }
    }
    const auto committed = worker_.commit_now(until);
    const bool is_all = std::ranges::all_of(
        handed, [&](const auto& one) { return source.committed(one.first) >= one.second; });
    if (is_all) return {};
    const auto why = trouble();
    if (why && why->code == Code::Invalid) return *why;
    if (clock_.steady_now() >= until) {
      return committed ? Error{Code::Unavailable, "the commit is not done in time"}
                       : committed.error();
    }
    if (!committed) std::this_thread::sleep_for(kRetry);
  }
}

// What the worker itself says is wrong; a table that halted is `Invalid`.
std::optional<Error> Intake::trouble() const {
  std::optional<Error> found;
  for (const auto& table : worker_.status()) {
    if (!table.halted.empty()) {
      return Error{Code::Invalid, fmt::format("table '{}' halted: {}", table.name, table.halted)};
    }
    if (!table.source_error.empty()) found = Error{Code::Unavailable, table.source_error};
    if (!table.error.empty()) found = Error{Code::Unavailable, table.error};
  }
  return found;
}

}  // namespace millrace::lambda
