#include "flow/marks.hpp"

#include <fmt/format.h>

#include <charconv>

namespace millrace::flow {
namespace {

std::string note_id(const std::string& app_id, std::size_t word) {
  return fmt::format("{}/mark.{}", app_id, word);
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

Notes notes_of(const source::Source& stream,
               const std::vector<lake::Transaction::Position>& moved) {
  Notes notes;
  for (const auto& position : moved) {
    // The last part of an app id is the shard; below zero it is a replay's.
    const auto shard =
        number_of(std::string_view(position.app_id).substr(position.app_id.rfind('/') + 1));
    if (!shard) continue;
    const auto mark = stream.mark(base::ShardId(*shard), base::Offset(position.next));
    if (!mark) continue;
    for (std::size_t i = 0; i < mark->size(); ++i) {
      notes.emplace_back(note_id(position.app_id, i), (*mark)[i]);
    }
  }
  return notes;
}

base::Result<std::optional<lake::Conflict>> note_begins(
    lake::Table& table, const source::Source& stream,
    std::vector<lake::Transaction::Position> begins) {
  if (begins.empty()) return std::optional<lake::Conflict>();
  lake::Transaction change{.operation = "ACCEPT SOURCE", .positions = std::move(begins)};
  change.notes = notes_of(stream, change.positions);
  auto outcome = TRY(table.commit(change));
  auto* conflict = std::get_if<lake::Conflict>(&outcome);
  return conflict ? std::optional(std::move(*conflict)) : std::nullopt;
}

void remember_marks(const TableFlow& table, const std::string& source, source::Source& stream,
                    const std::optional<std::set<std::int64_t>>& only) {
  const auto snapshot = table.table().snapshot();
  const auto prefix = table.app_prefix(source) + stream.incarnation() + "/";
  const auto& all = snapshot->transactions;
  for (auto at = all.lower_bound(prefix); at != all.end() && at->first.starts_with(prefix); ++at) {
    const auto shard = number_of(std::string_view(at->first).substr(prefix.size()));
    if (!shard) continue;  // a mark, or a replay
    if (only && !only->contains(*shard)) continue;
    source::Mark mark{};
    std::size_t known = 0;
    for (; known < mark.size(); ++known) {
      const auto word = snapshot->transaction(note_id(at->first, known));
      if (!word) break;
      mark[known] = *word;
    }
    if (known < mark.size()) continue;
    stream.remember(base::ShardId(*shard), base::Offset(at->second), mark);
  }
}

}  // namespace millrace::flow
