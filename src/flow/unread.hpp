#pragma once

#include <string>

#include "config/pipeline.hpp"
#include "flow/cut_board.hpp"
#include "lake/actions.hpp"

namespace millrace::flow {

/// Where the rows of `table` begin, by shard, that are committed but not yet taken by all that read
/// them: tables that are chained to it, and alerts. Shards that nobody is behind in are left out.
/// `incarnation` is that of its source's present life.
Reached unread_rows(const config::Pipeline& pipeline, const config::Table& table,
                    const std::string& incarnation, const Cut& cut);

/// True unless the statistics of `file` say that none of these offsets is in it.
bool may_hold(const lake::AddFile& file, std::int32_t shard, std::int64_t from, std::int64_t until);

/// True unless the statistics of `file` say that none of the unread rows is in it.
bool may_hold(const lake::AddFile& file, const Reached& unread);

}  // namespace millrace::flow
