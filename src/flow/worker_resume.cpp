#include <fmt/format.h>

#include <algorithm>

#include "flow/events.hpp"
#include "flow/marks.hpp"
#include "flow/worker.hpp"

// The part of Worker that takes tables up where they stand.
namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

// Commits without event times (compactions) that are passed over to find the last one with.
constexpr std::size_t kHistoryLooked = 200;
constexpr int kResumeAttempts = 20;

enum class Writers : std::uint8_t { One, Many };

// The newest event times that a table's last stream commit noted; of many writers each notes what
// it knows, so that more commits are needed.
std::map<std::string, base::Time> noted_events(const lake::Table& table, Writers writers) {
  const auto history = table.history(kHistoryLooked);
  std::map<std::string, base::Time> newest;
  if (!history) return newest;
  for (const auto& commit : *history) {
    for (const auto& [id, time] : newest_events_of(commit.extra)) {
      newest[id] = std::max(newest[id], time);
    }
    if (writers == Writers::One && !newest.empty()) break;
  }
  return newest;
}

// Whose positions a table has, if it has none of `pipeline`.
std::optional<std::string> other_pipeline(const lake::Snapshot& table, const std::string& name,
                                          const std::string& pipeline) {
  const std::string start = "millrace/";
  std::optional<std::string> other;
  for (auto at = table.transactions.lower_bound(start);
       at != table.transactions.end() && at->first.starts_with(start); ++at) {
    const auto slash = at->first.find('/', start.size());
    if (slash == std::string::npos || !at->first.substr(slash + 1).starts_with(name + "/"))
      continue;
    other = at->first.substr(start.size(), slash - start.size());
    if (*other == pipeline) return std::nullopt;
  }
  return other;
}

}  // namespace

// A table that another pipeline wrote would read its sources again.
Result<void> Worker::check_pipeline(const TableFlow& table) const {
  const auto other = other_pipeline(*table.table().snapshot(), table.name(), parts_.pipeline.name);
  if (!other || parts_.options.unknown_source == UnknownSource::Accept) return {};
  return Error{Code::Denied,
               fmt::format("table '{}' was written by the pipeline '{}', and this one is '{}': it "
                           "would read its sources again from their beginning. Let the file say "
                           "`pipeline: {}`; or, if that is what you want, start it with "
                           "--accept-new-source",
                           table.name(), *other, parts_.pipeline.name, *other)};
}

// Takes up each shard where the table stands. A source that is not the one that the table has read
// before must be meant: its positions say nothing about what is in the table.
Result<void> Worker::resume(TableFlow& table, const config::Source& source) {
  for (int attempt = 0; attempt < kResumeAttempts; ++attempt) {
    if (TRY(try_resume(table, source))) return {};
    TRY(table.table().refresh());
  }
  return Error{Code::Unavailable, "other workers write to this table again and again",
               table.table().root().string()};
}

// False if another worker was faster.
Result<bool> Worker::try_resume(TableFlow& table, const config::Source& source) {
  auto& stream = *parts_.sources.at(source.name);
  const auto snapshot = table.table().snapshot();
  const auto prefix = table.app_prefix(source.name);
  const auto own = prefix + stream.incarnation() + "/";
  bool is_known = true;
  for (auto at = snapshot->transactions.lower_bound(prefix);
       at != snapshot->transactions.end() && at->first.starts_with(prefix); ++at) {
    if (at->first.starts_with(prefix + "replay-")) continue;
    is_known = at->first.starts_with(own);
    if (is_known) break;
  }
  if (!is_known && parts_.options.unknown_source == UnknownSource::Stop) {
    return Error{Code::Denied,
                 fmt::format("table '{}' has read another '{}' before, not this one ({}): the "
                             "source was deleted or made anew. With --accept-new-source the table "
                             "keeps its rows and reads the new source from its beginning",
                             table.name(), source.name, stream.incarnation())};
  }
  // That a source was accepted is remembered at once: a restart before the table's first rows are
  // committed needs no second word.
  std::vector<lake::Transaction::Position> begins;
  for (int i = 0; i < stream.shard_count(); ++i) {
    const auto oldest = stream.oldest(base::ShardId(i));
    auto id = table.app_id(source.name, stream.incarnation(), i);
    // Where a numbered source begins for a table must not move while the table has no commit.
    const bool is_in_its_midst = stream.mark(base::ShardId(i), oldest).has_value();
    if (is_known && (!is_in_its_midst || snapshot->transaction(id))) continue;
    begins.push_back({std::move(id), std::nullopt, oldest.value()});
  }
  if (const auto conflict = TRY(note_begins(table.table(), stream, std::move(begins)))) {
    if (stream.share()) return false;
    return Error{Code::Denied, "another process writes to this table: " + conflict->detail,
                 table.table().root().string()};
  }
  if (!is_known) {
    events::source_accepted(parts_.tools.telemetry, table.name(), source.name,
                            stream.incarnation());
  }
  const auto events = noted_events(table.table(), stream.share() ? Writers::Many : Writers::One);
  for (int shard = 0; shard < stream.shard_count(); ++shard) {
    const auto id = table.app_id(source.name, stream.incarnation(), shard);
    const auto event = events.find(id);
    table.resume(id, stream.oldest(base::ShardId(shard)),
                 event == events.end() ? std::nullopt : std::optional(event->second));
    if (stream.share()) table.follow(id);
  }
  return true;
}

}  // namespace millrace::flow
