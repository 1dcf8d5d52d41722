#include "flow/source_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "flow/events.hpp"
#include "flow/marks.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

// How long a request (commit now, replay) may wait while nothing comes in.
constexpr auto kWaitMax = std::chrono::milliseconds(20);
constexpr auto kStatusEvery = std::chrono::milliseconds(200);

}  // namespace

SourceLoop::SourceLoop(Parts parts)
    : parts_(std::move(parts)),
      decoder_(decoder_options(*parts_.source, parts_.registry)),
      states_(parts_.tables.size()),
      batch_bytes_(parts_.options.batch_bytes_max),
      is_shared_(parts_.stream->share() != nullptr) {
  const auto now = parts_.tools->clock.steady_now();
  Lane main{.stream = parts_.stream, .incarnation = parts_.stream->incarnation()};
  for (int i = 0; i < parts_.stream->shard_count(); ++i) {
    main.shards.push_back({.id = base::ShardId(i), .record_at = now, .is_ours = !is_shared_});
  }
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    main.tables.push_back(i);
    for (const auto& [id, progress] : parts_.tables[i]->all_progress()) {
      if (progress.newest_event) states_[i].committed_events[id] = *progress.newest_event;
    }
    parts_.board->add_generation(parts_.tables[i]->name(), parts_.tables[i]->rows());
    parts_.board->add_generation(kRejectsTable, parts_.tables[i]->rejects());
  }
  lanes_.push_back(std::move(main));
  for (auto& replay : parts_.replays) new_replays_.push_back(std::move(replay));
  take_messages();
  publish_status();
}

Result<void> SourceLoop::run(const std::stop_token& stopping) {
  Result<void> outcome;
  while (outcome && !stopping.stop_requested()) outcome = step(stopping);
  std::lock_guard lock(mutex_);
  ended_ = outcome ? Error{Code::Cancelled, "the worker stops"} : outcome.error();
  if (!outcome) events::stopped(parts_.tools->telemetry, parts_.source->name, outcome.error());
  changed_.notify_all();
  return outcome;
}

Result<void> SourceLoop::step(const std::stop_token& stopping) {
  add_new_shards();
  take_messages();
  if (is_shared_ && !TRY(share_source())) return {};
  seal_due();
  bool has_read = false;
  if (!is_full()) {
    for (auto& lane : lanes_) {
      if (TRY(read_lane(lane, stopping))) has_read = true;
    }
  }
  const auto now = parts_.tools->clock.steady_now();
  if ((is_dirty_ && !has_read) || now - published_at_ >= kStatusEvery) publish_status();
  is_dirty_ = has_read;
  if (!has_read) wait(stopping);
  return {};
}

// Takes over what other threads left for us.
void SourceLoop::take_messages() {
  std::deque<std::pair<std::size_t, CommitJob>> committed;
  std::deque<std::unique_ptr<ReplaySource>> replays;
  {
    std::lock_guard lock(mutex_);
    committed.swap(committed_);
    replays.swap(new_replays_);
    for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
      for (const auto& [id, time] : followed_[parts_.tables[i]->name()]) {
        auto& newest = states_[i].committed_events[id];
        newest = std::max(newest, time);
      }
    }
    followed_.clear();
  }
  for (const auto& [table, job] : committed) take_committed(table, job);
  for (auto& replay : replays) {
    Lane lane{.stream = replay.get(), .incarnation = replay->incarnation()};
    lane.shards.push_back(
        {.id = base::ShardId(-replay->number()), .record_at = parts_.tools->clock.steady_now()});
    std::vector<bool> reads(parts_.tables.size());
    bool is_done = true;
    for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
      auto& table = *parts_.tables[i];
      reads[i] =
          table.name() == replay->table() || (parts_.parents[i] && reads[*parts_.parents[i]]);
      if (!reads[i]) continue;
      lane.tables.push_back(i);
      const auto id = table.app_id(parts_.source->name, lane.incarnation, -replay->number());
      table.resume(id, base::Offset(0), std::nullopt);
      is_done = is_done && table.progress(id).next >= replay->end(lane.shards[0].id).value();
    }
    lane.replay = std::move(replay);
    if (is_shared_) {
      std::lock_guard lock(mutex_);
      held_[static_cast<std::int32_t>(lane.shards[0].id.value())] = 0;
    }
    if (!is_done) lanes_.push_back(std::move(lane));
  }
}

void SourceLoop::take_committed(std::size_t table, const CommitJob& job) {
  auto& state = states_[table];
  parts_.tables[table]->committed(job.sealed);
  state.is_committing = false;
  state.sealed_bytes = 0;
  state.sealed_rows = 0;
  state.committed_at = parts_.tools->clock.now();
  is_dirty_ = true;
  for (const auto& [id, time] : job.sealed.newest_events) state.committed_events[id] = time;
  {
    std::lock_guard lock(mutex_);
    status_[table].error.clear();
  }
  if (auto released = release(); !released) {
    events::micro_batch_failed(parts_.tools->telemetry, parts_.source->name, released.error());
  }
}

// What every table has committed may go from the source.
Result<void> SourceLoop::release() const {
  const auto& lane = lanes_.front();
  std::vector<base::Offset> positions;
  for (const auto& shard : lane.shards) {
    std::int64_t smallest = INT64_MAX;
    for (const auto& table : parts_.tables) {
      const auto& progress =
          table->progress(table->app_id(parts_.source->name, lane.incarnation, shard.id.value()));
      smallest = std::min(smallest, progress.committed.value_or(0));
    }
    positions.emplace_back(smallest);
  }
  return parts_.stream->release(positions);
}

void SourceLoop::seal(std::size_t table) {
  auto& flow = *parts_.tables[table];
  auto& state = states_[table];
  CommitJob job{
      .name = flow.name(), .table = &flow.table(), .sealed = flow.seal(), .term = my_term_};
  for (auto& note : notes_of(*parts_.stream, job.sealed.positions)) {
    job.sealed.notes.push_back(std::move(note));
  }
  state.hot_since.reset();
  state.is_committing = true;
  state.sealed_bytes = job.sealed.rows->bytes() + job.sealed.rejects->bytes();
  state.sealed_rows = job.sealed.rows->row_count();
  parts_.board->add_generation(flow.name(), flow.rows());
  parts_.board->add_generation(kRejectsTable, flow.rejects());
  parts_.submit(*this, table, std::move(job));
}

// Notes how far the tables are when commits are asked for: what comes later is not waited for. True
// while the commits of an ask are under way.
bool SourceLoop::take_asked() {
  if (commits_taken_ != commits_done_) return true;  // only we write them
  {
    std::lock_guard lock(mutex_);
    commits_taken_ = commits_asked_;
  }
  if (commits_taken_ == commits_done_) return false;
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    states_[i].asked.clear();
    for (const auto& [id, progress] : parts_.tables[i]->all_progress()) {
      states_[i].asked[id] = progress.next;
    }
  }
  return true;
}

bool SourceLoop::has_reached_asked(std::size_t table) const {
  return std::ranges::all_of(states_[table].asked, [&](const auto& asked) {
    return parts_.tables[table]->progress(asked.first).committed.value_or(0) >= asked.second;
  });
}

// Seals the tables whose commit is due, and answers those who asked for commits.
void SourceLoop::seal_due() {
  const auto now = parts_.tools->clock.steady_now();
  const bool is_asked = take_asked();
  const bool is_much = hot_bytes() >= parts_.options.hot_bytes_max / 2;
  bool is_all_committed = true;
  std::vector<bool> sealed(parts_.tables.size());
  for (std::size_t i = 0; i < parts_.tables.size(); ++i) {
    const auto& policy = parts_.tables[i]->plan().table.commit;
    auto& state = states_[i];
    const bool is_asked_of = is_asked && !has_reached_asked(i);
    const bool is_wanted = is_asked_of || has_leaving(i);
    is_all_committed = is_all_committed && !is_asked_of;
    if (!parts_.tables[i]->has_uncommitted()) continue;
    if (!state.hot_since) state.hot_since = now;
    const bool is_due = now - *state.hot_since >= policy.every ||
                        parts_.tables[i]->hot_bytes() >= policy.bytes || is_much;
    if (is_due || is_wanted) (void)seal_after_parents(i, sealed);
  }
  if (!is_asked || !is_all_committed) return;
  std::lock_guard lock(mutex_);
  commits_done_ = commits_taken_;
  changed_.notify_all();
}

// A table is never committed beyond the one that it reads: after a crash that one may decide anew
// about what it had not committed (which of two equal keys wins), and its rows must fit. Commits
// are made in the order in which they are sealed. False if the table has to wait.
bool SourceLoop::seal_after_parents(std::size_t table, std::vector<bool>& sealed) {
  if (sealed[table]) return true;
  if (states_[table].is_committing) return false;
  const auto parent = parts_.parents[table];
  if (parent && parts_.tables[*parent]->has_uncommitted() && !seal_after_parents(*parent, sealed)) {
    return false;
  }
  seal(table);
  sealed[table] = true;
  return true;
}

// Those that wait for a commit's beginning.
std::uint64_t SourceLoop::hot_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& table : parts_.tables) bytes += table->hot_bytes();
  return bytes;
}

bool SourceLoop::is_full() const {
  auto bytes = hot_bytes();
  for (const auto& state : states_) bytes += state.sealed_bytes;
  return bytes >= parts_.options.hot_bytes_max;
}

// How far all tables that run have read each shard of a lane; `kNotNow` for shards that are
// finished, or whose parents are not. None: no table runs.
std::optional<std::vector<base::Offset>> SourceLoop::read_from(Lane& lane) const {
  const bool has_table = std::ranges::any_of(
      lane.tables, [&](std::size_t i) { return parts_.tables[i]->halted().empty(); });
  if (!has_table) return std::nullopt;
  std::vector<base::Offset> from(lane.shards.size(), kNotNow);
  for (std::size_t s = 0; s < lane.shards.size(); ++s) {
    auto& shard = lane.shards[s];
    if (shard.is_finished || !shard.is_ours) continue;
    const bool has_to_wait = std::ranges::any_of(lane.stream->parents(shard.id), [&](auto parent) {
      return !lane.shards[static_cast<std::size_t>(parent.value())].is_finished;
    });
    if (has_to_wait) continue;
    const bool is_closed = lane.stream->is_closed(shard.id);  // so its end is the last one
    for (const auto i : lane.tables) {
      const auto& table = *parts_.tables[i];
      if (!table.halted().empty()) continue;
      const auto id = table.app_id(parts_.source->name, lane.incarnation, shard.id.value());
      from[s] = std::min(from[s], base::Offset(table.progress(id).next));
    }
    shard.is_finished = is_closed && from[s] >= lane.stream->end(shard.id);
    if (shard.is_finished) from[s] = kNotNow;
  }
  return from;
}

Result<bool> SourceLoop::read_lane(Lane& lane, const std::stop_token& stopping) {
  const auto from = read_from(lane);
  if (!from) return false;  // all halted
  const auto started = parts_.tools->clock.steady_now();
  const LaneReader reader{*parts_.source, decoder_, parts_.tools->clock};
  auto batch = reader.read(lane, *from, batch_bytes_);
  if (!batch) {
    if (batch.error().code != Code::Unavailable) return std::move(batch).error();
    if (unreadable_ != batch.error().message) {  // said once
      events::micro_batch_failed(parts_.tools->telemetry, parts_.source->name, batch.error());
    }
    unreadable_ = batch.error().message;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return false;
  }
  if (!*batch) return false;
  // Given anew since we looked: what was read may be records that are not ours to take yet.
  if (is_shared_ && !lane.replay && parts_.stream->share() != share_) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return false;
  }
  if (!TRY(process(lane, **batch, stopping))) return true;
  unreadable_.clear();
  std::size_t records = 0;
  for (const auto& part : (*batch)->batches) records += part.records.size();
  events::micro_batch(parts_.tools->telemetry, parts_.source->name, records,
                      parts_.tools->clock.steady_now() - started);
  return true;
}

// Runs the tables over a micro-batch and shows their rows, all at once. False: a passing fault left
// everything as it was, and the same records are read again.
Result<bool> SourceLoop::process(Lane& lane, MicroBatch& batch, const std::stop_token& stopping) {
  if (auto applied = apply_all(lane, batch); !applied) {
    if (applied.error().code == Code::Cancelled && stopping.stop_requested()) return false;
    TRY(leave_untaken(std::move(applied).error()));
    return false;
  }
  batch_bytes_ = std::min(parts_.options.batch_bytes_max, batch_bytes_ * 2);
  parts_.board->publish([&] {
    for (const auto i : lane.tables) parts_.tables[i]->take_over();
  });
  for (const auto i : lane.tables) {
    auto& table = *parts_.tables[i];
    const auto parent = parts_.parents[i];
    if (parent && table.halted().empty() && !parts_.tables[*parent]->halted().empty()) {
      table.halt(fmt::format("'{}', which it reads, halted", parts_.tables[*parent]->name()));
    }
  }
  return true;
}

Result<void> SourceLoop::apply_all(Lane& lane, const MicroBatch& batch) {
  std::map<std::size_t, Chunks> outputs;
  std::vector<base::Offset> ends;
  for (const auto& part : batch.batches) ends.push_back(part.next);
  for (const auto i : lane.tables) {
    auto& table = *parts_.tables[i];
    const auto parent = parts_.parents[i];
    Chunks rows = batch.chunks;
    std::vector<base::Offset> until = ends;
    if (parent) {
      auto& above = *parts_.tables[*parent];
      if (batch.replay && table.name() == batch.replay->table) {
        rows = TRY(replayed_rows(above, above.table(), batch));
      } else {
        // Where this table is behind its parent, the parent's committed rows fill the gap.
        std::vector<base::Offset> from, gap_end;
        for (std::size_t s = 0; s < batch.batches.size(); ++s) {
          const auto shard = batch.batches[s].shard.value();
          from.emplace_back(
              table.progress(table.app_id(batch.source, batch.incarnation, shard)).next);
          const auto id = above.app_id(batch.source, batch.incarnation, shard);
          gap_end.push_back(std::min(base::Offset(above.progress(id).next), ends[s]));
        }
        rows = TRY(committed_rows(above, above.table(), batch, from, gap_end));
        rows.insert(rows.end(), outputs[*parent].begin(), outputs[*parent].end());
        until = above.reached(batch);
        for (std::size_t s = 0; s < until.size(); ++s) until[s] = std::min(until[s], ends[s]);
      }
    }
    outputs[i] = TRY(table.apply(batch, rows, until));
  }
  return {};
}

void SourceLoop::wait(const std::stop_token& stopping) {
  if (lanes_.size() > 1) {
    std::erase_if(lanes_, [&](const Lane& lane) {
      if (!lane.replay) return false;
      return std::ranges::all_of(lane.tables, [&](std::size_t i) {
        const auto& table = *parts_.tables[i];
        const auto id =
            table.app_id(parts_.source->name, lane.incarnation, lane.shards[0].id.value());
        return table.progress(id).committed.value_or(0) >=
               lane.stream->end(lane.shards[0].id).value();
      });
    });
  }
  {
    std::lock_guard lock(mutex_);
    if (!committed_.empty() || !new_replays_.empty()) return;
  }
  const auto positions = read_from(lanes_.front());
  if (is_full() || !positions) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return;
  }
  (void)parts_.stream->wait_beyond(*positions, kWaitMax, stopping);
}

}  // namespace millrace::flow
