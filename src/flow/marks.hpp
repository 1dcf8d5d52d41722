#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flow/table_flow.hpp"
#include "source/source.hpp"

namespace millrace::flow {

/// What a commit carries beside a position: `<app id of the shard>/mark.0` and so on.
/// docs/formats/lake.md, "Marks".
using Notes = std::vector<std::pair<std::string, std::int64_t>>;

/// The marks of the positions that a coming commit moves.
Notes notes_of(const source::Source& stream, const std::vector<lake::Transaction::Position>& moved);

/// Notes in `table`, by a commit, where it begins in shards of which it has no position yet.
/// Shape  none: it is done, or there were none; else another worker was faster.
base::Result<std::optional<lake::Conflict>> note_begins(
    lake::Table& table, const source::Source& stream,
    std::vector<lake::Transaction::Position> begins);

/// Hands `stream` the marks that `table` has of its shards, or of some.
void remember_marks(const TableFlow& table, const std::string& source, source::Source& stream,
                    const std::optional<std::set<std::int64_t>>& only = std::nullopt);

}  // namespace millrace::flow
