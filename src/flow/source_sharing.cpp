#include <algorithm>
#include <thread>

#include "flow/events.hpp"
#include "flow/marks.hpp"
#include "flow/source_loop.hpp"

// The part of SourceLoop that shares its source with other workers: docs/formats/kafka_source.md,
// "Several workers". Which shards are ours the source says; where they stand the tables say. That
// both agree is asked by each commit, so a mistake here costs time, and no record.
namespace millrace::flow {

using base::Code;
using base::Result;

namespace {

constexpr auto kRetry = std::chrono::milliseconds(200);

}  // namespace

std::string SourceLoop::id_of(std::size_t table, std::size_t shard) const {
  const auto& lane = lanes_.front();
  return parts_.tables[table]->app_id(parts_.source->name, lane.incarnation,
                                      lane.shards[shard].id.value());
}

// A stream that is resharded has more shards from one moment to the next.
void SourceLoop::add_new_shards() {
  auto& lane = lanes_.front();
  const auto count = static_cast<std::size_t>(parts_.stream->shard_count());
  if (lane.shards.size() >= count) return;
  while (lane.shards.size() < count) {
    const base::ShardId shard(static_cast<std::int64_t>(lane.shards.size()));
    for (const auto& table : parts_.tables) {
      table->resume(table->app_id(parts_.source->name, lane.incarnation, shard.value()),
                    parts_.stream->oldest(shard), std::nullopt);
    }
    lane.shards.push_back(
        {.id = shard, .record_at = parts_.tools->clock.steady_now(), .is_ours = !is_shared_});
    has_to_share_ = is_shared_;
  }
  publish_status();
}

void SourceLoop::fenced(const std::string& why) {
  events::fenced(parts_.tools->telemetry, parts_.source->name, why);
  ++term_;
}

void SourceLoop::followed(const std::string& table,
                          const std::map<std::string, base::Time>& events) {
  std::lock_guard lock(mutex_);
  auto& all = followed_[table];
  for (const auto& [id, time] : events) all[id] = std::max(all[id], time);
}

bool SourceLoop::has_all_shards() const {
  std::lock_guard lock(mutex_);
  return has_all_shards_;
}

std::map<std::int32_t, std::uint64_t> SourceLoop::held_shards() const {
  std::lock_guard lock(mutex_);
  return held_;
}

// False while what must come first cannot be done: nothing may be read or sealed then.
Result<bool> SourceLoop::share_source() {
  const auto now = parts_.tools->clock.steady_now();
  const auto share = parts_.stream->share();
  const bool is_fenced = my_term_ != term_;
  if (!is_fenced && share == share_ && !has_to_share_) return true;
  if (now < share_at_) {
    if (is_fenced) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return !is_fenced;
  }
  auto done = is_fenced ? drop_uncommitted() : Result<void>();
  if (done) done = take_share(*share);
  if (done) {
    share_ = share;
    return true;
  }
  events::micro_batch_failed(parts_.tools->telemetry, parts_.source->name, done.error());
  if (done.error().code == Code::Corrupt || done.error().code == Code::Invalid) {
    return std::move(done).error();
  }
  share_at_ = now + kRetry;
  has_to_share_ = true;
  std::lock_guard lock(mutex_);
  ++commit_failures_;  // whoever waits for a commit need not wait for this
  changed_.notify_all();
  return my_term_ == term_;
}

std::vector<std::int64_t> SourceLoop::our_shards() const {
  std::vector<std::int64_t> ours;
  for (const auto& shard : lanes_.front().shards) {
    if (shard.is_ours) ours.push_back(shard.id.value());
  }
  return ours;
}

// Another worker has moved a shard that we had read: what is not committed is void, all of it, and
// begins anew where the tables stand. The shards that were moved are left alone until it is known
// whose they are.
Result<void> SourceLoop::drop_uncommitted() {
  const auto term = term_.load();
  auto& lane = lanes_.front();
  for (const auto& table : parts_.tables) TRY(table->table().refresh());
  const auto now = parts_.tools->clock.steady_now();
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    const auto snapshot = parts_.tables[i]->table().snapshot();
    for (std::size_t s = 0; s < lane.shards.size(); ++s) {
      auto& shard = lane.shards[s];
      const auto id = id_of(i, s);
      if (!shard.is_ours || snapshot->transaction(id) == parts_.tables[i]->progress(id).committed) {
        continue;
      }
      shard.is_ours = false;
      shard.is_leaving = true;
      shard.rests_until = now + parts_.options.rest_when_overtaken;
    }
  }
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    auto& table = *parts_.tables[i];
    table.drop();
    resume_all(i);
    remember_marks(table, parts_.source->name, *parts_.stream);
    states_[i].is_committing = false;
    states_[i].sealed_bytes = 0;
    states_[i].sealed_rows = 0;
    states_[i].hot_since.reset();
    states_[i].asked.clear();
    parts_.board->add_generation(table.name(), table.rows());
    parts_.board->add_generation(kRejectsTable, table.rejects());
  }
  parts_.board->publish();
  for (const auto& table : parts_.tables) TRY(table->rebuild_dedupe(our_shards()));
  for (auto& shard : lane.shards) {
    if (shard.is_ours) continue;
    shard.left_at.clear();
    shard.is_forgotten = true;
  }
  my_term_ = term;
  is_dirty_ = true;
  return {};
}

// Takes all shards, and replays, up where the table stands.
void SourceLoop::resume_all(std::size_t table) {
  const auto& events = states_[table].committed_events;
  for (const auto& lane : lanes_) {
    for (const auto& shard : lane.shards) {
      const auto id =
          parts_.tables[table]->app_id(parts_.source->name, lane.incarnation, shard.id.value());
      if (!parts_.tables[table]->reads(id)) continue;
      const auto event = events.find(id);
      const bool is_begun_here = shard.is_ours && !lane.replay;
      parts_.tables[table]->resume(
          id, is_begun_here ? lane.stream->oldest(shard.id) : base::Offset(0),
          event == events.end() ? std::nullopt : std::optional(event->second));
    }
  }
}

bool SourceLoop::is_settled(std::size_t shard) const {
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    if (!parts_.tables[i]->is_settled(id_of(i, shard))) return false;
  }
  return true;
}

// Whether the table has taken records of a shard that is leaving, and must commit them first.
bool SourceLoop::has_leaving(std::size_t table) const {
  const auto& shards = lanes_.front().shards;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    if (shards[s].is_leaving && !parts_.tables[table]->is_settled(id_of(table, s))) return true;
  }
  return false;
}

void SourceLoop::leave(std::size_t shard) {
  auto& left = lanes_.front().shards[shard];
  left.is_leaving = false;
  left.left_at.clear();
  if (left.is_forgotten) return;
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    left.left_at.push_back(parts_.tables[i]->progress(id_of(i, shard)).committed);
  }
}

Result<void> SourceLoop::take_share(const source::Share& share) {
  const auto now = parts_.tools->clock.steady_now();
  auto& lane = lanes_.front();
  std::vector<std::size_t> gained;
  has_to_share_ = false;
  for (std::size_t s = 0; s < lane.shards.size(); ++s) {
    auto& shard = lane.shards[s];
    const auto given = share.given.find(shard.id);
    const bool is_given = given != share.given.end() && !share.leaving.contains(shard.id);
    if (shard.is_ours && (!is_given || given->second != shard.given)) {
      shard.is_ours = false;
      shard.is_leaving = true;
      is_dirty_ = true;
    }
    if (shard.is_leaving && is_settled(s)) leave(s);
    if (shard.is_leaving) {
      has_to_share_ = true;
    } else if (!is_given) {
      parts_.stream->give_up(shard.id);
    } else if (!shard.is_ours) {
      has_to_share_ = true;
      if (now >= shard.rests_until) gained.push_back(s);
    }
  }
  if (gained.empty()) return {};
  TRY(gain(gained));
  for (const auto s : gained) {
    lane.shards[s].is_ours = true;
    lane.shards[s].is_forgotten = false;
    lane.shards[s].given = share.given.at(lane.shards[s].id);
  }
  is_dirty_ = true;
  if (!unreadable_.empty()) {  // that was of records which we had before
    unreadable_.clear();
    publish_status();
  }
  const auto ours = our_shards().size();
  events::share_taken(parts_.tools->telemetry, parts_.source->name, gained.size(), ours,
                      lane.shards.size());
  return {};
}

// Takes shards up where the tables stand now, with the keys that their rows have claimed. The
// positions come first: claims of later rows make a commit that another's position refuses. What
// nobody moved since we had it brings no claims that we do not have.
Result<void> SourceLoop::gain(const std::vector<std::size_t>& gained) {
  std::set<std::int64_t> numbers, moved;
  for (const auto s : gained) numbers.insert(lanes_.front().shards[s].id.value());
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    auto& table = *parts_.tables[i];
    TRY(table.table().refresh());
    TRY(parts_.follow_rejects(table));
    TRY(note_begins(i, gained));
    for (const auto s : gained) {
      const auto& shard = lanes_.front().shards[s];
      const auto id = id_of(i, s);
      const auto there = table.table().snapshot()->transaction(id);
      if (shard.left_at.empty() || shard.left_at[i] != there) moved.insert(shard.id.value());
      const auto event = states_[i].committed_events.find(id);
      table.resume(
          id, parts_.stream->oldest(shard.id),
          event == states_[i].committed_events.end() ? std::nullopt : std::optional(event->second));
    }
    remember_marks(table, parts_.source->name, *parts_.stream, numbers);
  }
  parts_.board->publish();
  const std::vector<std::int64_t> claims(moved.begin(), moved.end());
  for (const auto& table : parts_.tables) TRY(table->add_claims_of(claims));
  return release();  // so that the group is told, too
}

// Where a numbered source begins for a table must not move with who reads it first, nor with what
// other tables commit: a table without a position would be taken for one that came later than they.
Result<void> SourceLoop::note_begins(std::size_t table, const std::vector<std::size_t>& gained) {
  auto& lake_table = parts_.tables[table]->table();
  std::vector<lake::Transaction::Position> begins;
  for (const auto s : gained) {
    auto id = id_of(table, s);
    if (lake_table.snapshot()->transaction(id)) continue;
    const auto oldest = parts_.stream->oldest(lanes_.front().shards[s].id);
    begins.push_back({std::move(id), std::nullopt, oldest.value()});
  }
  const auto conflict = TRY(flow::note_begins(lake_table, *parts_.stream, std::move(begins)));
  return conflict ? base::Error{Code::Unavailable, conflict->detail} : Result<void>();
}

// A process that gave positions to records which claimed keys is gone, as it seems. If it is not,
// its commit of them meets ours and is void: what it would have committed comes to us again, or to
// it, behind these positions. Our own shard may be among those.
Result<void> SourceLoop::pass_over_abandoned() {
  for (const auto& table : parts_.tables) {
    const auto abandoned = table->abandoned();
    if (abandoned.empty()) continue;
    const auto snapshot = table->table().snapshot();
    lake::Transaction change{.operation = "PASS OVER"};
    for (const auto& [id, next] : abandoned) {
      const auto there = snapshot->transaction(id);
      if (there.value_or(0) >= next) continue;
      change.positions.push_back({id, there, next});
    }
    if (change.positions.empty()) continue;
    change.notes = notes_of(*parts_.stream, change.positions);
    for (const auto& position : change.positions) {
      auto counts = counts_of(snapshot->transactions, position.app_id).value_or(ShardCounts{});
      counts.until = position.next;
      for (auto& note : notes_of(counts, snapshot->transactions, position.app_id)) {
        change.notes.push_back(std::move(note));
      }
    }
    const auto outcome = TRY(table->table().commit(change));
    ++term_;  // also after a conflict: who was faster moved what we wait for
    if (std::holds_alternative<lake::Conflict>(outcome)) continue;
    for (const auto& position : change.positions) {
      events::passed_over(parts_.tools->telemetry, position.app_id, position.next);
    }
  }
  return {};
}

// Others' shards stand where their commits say.
void SourceLoop::follow_others() {
  auto& lane = lanes_.front();
  for (std::size_t s = 0; s < lane.shards.size(); ++s) {
    auto& shard = lane.shards[s];
    if (shard.is_ours || shard.is_leaving || my_term_ != term_) continue;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
      const auto id = id_of(i, s);
      parts_.tables[i]->follow(id);
      sum += parts_.tables[i]->progress(id).next;
    }
    if (sum == shard.followed) continue;
    shard.followed = sum;
    shard.record_at = parts_.tools->clock.steady_now();
  }
}

}  // namespace millrace::flow
