#include "flow/table_flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/units.hpp"
#include "flow/events.hpp"
#include "flow/row_sql.hpp"
#include "flow/table_work.hpp"

namespace millrace::flow {

using base::Result;

void Counts::add(const Counts& other) {
  records += other.records;
  rows += other.rows;
  rejected += other.rejected;
  filtered += other.filtered;
  for (const auto& [name, count] : other.warned) warned[name] += count;
}

TableFlow::TableFlow(Parts parts)
    : plan_(std::move(parts.plan)),
      lookups_(std::move(parts.lookups)),
      table_(parts.table),
      pipeline_(std::move(parts.pipeline)),
      clock_(*parts.clock),
      telemetry_(parts.telemetry) {
  if (plan_.table.unique) {
    parts.dedupe.within = plan_.table.unique->within;
    dedupe_.emplace(plan_, *table_, std::move(parts.dedupe), parts.lateness);
    if (parts.claims) {
      dedupe_->share({.store = parts.claims,
                      .app_prefix = fmt::format("millrace/{}/{}/", pipeline_, name()),
                      .keeps_positions = parts.keeps_positions,
                      .lateness = parts.lateness,
                      .clock = &clock_,
                      .telemetry = telemetry_});
    }
  }
  begin_generation();
}

TableFlow::~TableFlow() = default;

void TableFlow::begin_generation() {
  rows_ = std::make_shared<Generation>(plan_.output);
  rejects_ = std::make_shared<Generation>(reject_columns());
  counts_ = {};
}

std::string TableFlow::app_prefix(const std::string& source) const {
  return fmt::format("millrace/{}/{}/{}/", pipeline_, name(), source);
}

std::string TableFlow::app_id(const std::string& source, const std::string& incarnation,
                              std::int64_t shard) const {
  return fmt::format("{}{}/{}", app_prefix(source), incarnation, shard);
}

void TableFlow::resume(const std::string& id, base::Offset oldest,
                       std::optional<base::Time> newest_event) {
  const auto snapshot = table_->snapshot();
  const auto committed = snapshot->transaction(id);
  Progress progress{committed, committed.value_or(oldest.value()), newest_event, {}};
  // A table of before has no counts, and an older version moves its position without them: then
  // they begin where it stands.
  const auto counts = counts_of(snapshot->transactions, id);
  if (counts && counts->until == progress.next) {
    progress.counts = *counts;
  } else {
    if (counts) events::counts_begun_anew(telemetry_, id, counts->until, progress.next);
    progress.counts = {.from = progress.next, .until = progress.next};
  }
  progress_[id] = std::move(progress);
}

Result<void> TableFlow::rebuild_dedupe(const OfShards& shards) {
  if (!dedupe_) return {};
  return dedupe_->rebuild(shards);
}

Result<void> TableFlow::add_claims_of(const std::vector<std::int64_t>& shards) {
  if (!dedupe_) return {};
  return dedupe_->add(shards);
}

std::map<std::string, std::int64_t> TableFlow::abandoned() const {
  return dedupe_ ? dedupe_->abandoned() : std::map<std::string, std::int64_t>();
}

void TableFlow::follow(const std::string& id) {
  auto& progress = progress_.at(id);
  progress.committed = table_->snapshot()->transaction(id);
  progress.next = progress.committed.value_or(0);
}

bool TableFlow::is_settled(const std::string& id) const {
  const auto& progress = progress_.at(id);
  return progress.next == progress.committed.value_or(0);
}

void TableFlow::drop() {
  done_.reset();
  rows_->drop();
  rejects_->drop();
  begin_generation();
  reached_.clear();
}

Result<Chunks> TableFlow::apply(const MicroBatch& batch, const Chunks& rows,
                                const std::vector<base::Offset>& until) {
  done_.reset();
  if (!halted_.empty()) return Chunks{};
  auto work = std::make_unique<Work>(batch);
  for (std::size_t i = 0; i < batch.batches.size(); ++i) {
    const auto number = batch.batches[i].shard.value();
    auto id = app_id(batch.source, batch.incarnation, number);
    const auto next = progress_.at(id).next;
    const auto end = std::max(next, until[i].value());
    work->shards[static_cast<std::int32_t>(number)] = {std::move(id), next, end};
  }
  for (const auto& undecoded : batch.undecoded) {
    const auto* shard = work->shard(static_cast<std::int32_t>(undecoded.shard.value()));
    const auto offset = undecoded.record.offset.value();
    // Its parent rejected it already; only tables that read the source itself do.
    if (!plan_.table.from_is_table && offset >= shard->from && offset < shard->until) {
      work->rejects.push_back(undecoded);
    }
  }
  work->rows = not_yet_taken(*work, with_lookups(rows));
  work->input = work->rows;
  TRY(check(*work));
  TRY(select(*work));
  TRY(drop_duplicates(*work));
  count(*work);
  add_outcomes(*work);
  const RejectedBy by{name(), batch.source, batch.incarnation, clock_.now(),
                      batch.replay ? &*batch.replay : nullptr};
  work->reject_chunks = chunks_of(work->rejects, by);
  Chunks output;
  for (const auto& chunk : work->output) {
    // The children read the same memory; the generation takes the chunk itself.
    sql::Chunk shared(plan_.output);
    for (std::size_t i = 0; i < plan_.output.size(); ++i)
      shared.column(i).reference(chunk.column(i));
    shared.set_row_count(chunk.row_count());
    output.push_back(std::make_shared<const sql::Chunk>(std::move(shared)));
  }
  done_ = std::move(work);
  return output;
}

Chunks TableFlow::with_lookups(const Chunks& rows) const {
  if (lookups_.empty()) return rows;
  Chunks wide;
  for (const auto& chunk : rows) {
    sql::Chunk extended(plan_.relation->columns());
    for (std::size_t i = 0; i < plan_.input.size(); ++i) {
      extended.column(i).reference(chunk->column(i));
    }
    for (std::size_t i = 0; i < lookups_.size(); ++i) {
      lookups_[i]->index()->gather(chunk->column(plan_.key_columns[i]), chunk->row_count(),
                                   extended.column(plan_.input.size() + i));
    }
    extended.set_row_count(chunk->row_count());
    wide.push_back(std::make_shared<const sql::Chunk>(std::move(extended)));
  }
  return wide;
}

RowSet TableFlow::not_yet_taken(const Work& work, const Chunks& rows) const {
  RowSet all(rows);
  bool has_all = true;
  for (std::size_t i = 0; i < work.batch.batches.size(); ++i) {
    const auto* shard = work.shard(static_cast<std::int32_t>(work.batch.batches[i].shard.value()));
    has_all = has_all && shard->from <= work.batch.first[i].value() &&
              shard->until >= work.batch.batches[i].next.value();
  }
  if (has_all) return all;
  std::vector<bool> keep(all.count());
  all.for_each([&](std::size_t index, const RowAt& at) {
    const auto position = Positions(*at.chunk, plan_.input_shard_column).at(at.row);
    const auto* shard = work.shard(position.shard);
    keep[index] = position.offset >= shard->from && position.offset < shard->until;
  });
  return all.where(keep);
}

void TableFlow::reject(Work& work, Stage stage, std::string reason, std::string detail,
                       const RowAt& at) {
  const auto position = Positions(*at.chunk, plan_.input_shard_column).at(at.row);
  const base::ShardId shard(position.shard);
  const auto* record = work.batch.find(shard, base::Offset(position.offset));
  CHECK(record != nullptr);
  work.rejects.push_back({stage, std::move(reason), std::move(detail), shard, *record});
}

Result<void> TableFlow::select(Work& work) {
  const RunHandlers handlers{.result =
                                 [&](const RowSet&, std::vector<sql::Chunk> chunks) {
                                   for (auto& chunk : chunks) {
                                     number_rows(work, chunk);
                                     work.output.push_back(std::move(chunk));
                                   }
                                 },
                             .failed =
                                 [&](const RowAt& at, const base::Error& error) {
                                   reject(work, Stage::Sql, "sql_failed", error.message, at);
                                 }};
  return run_over(*plan_.select, *plan_.relation, work.rows, handlers);
}

void TableFlow::number_rows(Work& work, sql::Chunk& chunk) const {
  auto* numbers = chunk.column(plan_.shard_column + 2).data<std::int32_t>();
  const Positions positions(chunk, plan_.shard_column);
  for (std::size_t row = 0; row < chunk.row_count(); ++row) {
    const auto at = positions.at(row);
    work.last_row = at == work.last ? work.last_row + 1 : 0;
    work.last = at;
    numbers[row] = work.last_row;
  }
}

Result<void> TableFlow::drop_duplicates(Work& work) {
  if (!dedupe_) return {};
  Position rejected;
  const auto life = work.batch.source + "/" + work.batch.incarnation;
  for (auto& chunk : work.output) {
    const auto kept = TRY(dedupe_->claim(chunk, life));
    if (kept.size() == chunk.row_count()) continue;
    const Positions positions(chunk, plan_.shard_column);
    std::size_t next_kept = 0;
    for (std::uint32_t row = 0; row < chunk.row_count(); ++row) {
      if (next_kept < kept.size() && kept[next_kept] == row) {
        ++next_kept;
        continue;
      }
      const auto at = positions.at(row);
      if (at == rejected) continue;
      rejected = at;
      const base::ShardId shard(at.shard);
      const auto* record = work.batch.find(shard, base::Offset(at.offset));
      CHECK(record != nullptr);
      work.rejects.push_back({Stage::Unique, "duplicate",
                              fmt::format("its {} came before within {}", plan_.table.unique->key,
                                          base::format_duration(plan_.table.unique->within)),
                              shard, *record});
    }
    sql::Chunk some(plan_.output);
    if (!kept.empty()) some.append(chunk, sql::Selection(kept));
    chunk = std::move(some);
  }
  std::erase_if(work.output, [](const sql::Chunk& chunk) { return chunk.row_count() == 0; });
  return {};
}

void TableFlow::add_outcomes(Work& work) const {
  if (!work.batch.replay || work.batch.replay->table != name()) return;
  std::set<Position> taken, rejected;
  for (const auto& chunk : work.output) {
    const Positions positions(chunk, plan_.shard_column);
    for (std::size_t row = 0; row < chunk.row_count(); ++row) taken.insert(positions.at(row));
  }
  for (const auto& reject : work.rejects) {
    rejected.insert(
        {static_cast<std::int32_t>(reject.shard.value()), reject.record.offset.value()});
  }
  for (const auto& batch : work.batch.batches) {
    const auto number = static_cast<std::int32_t>(batch.shard.value());
    for (const auto& record : batch.records) {
      const Position at{number, record.offset.value()};
      const auto* shard = work.shard(number);
      if (at.offset < shard->from || at.offset >= shard->until || rejected.contains(at)) continue;
      const auto& origin = work.batch.replay->origins.at(
          static_cast<std::size_t>(at.offset) - static_cast<std::size_t>(work.batch.replay->first));
      work.rejects.push_back({origin.stage, origin.reason, "tried again", batch.shard, record,
                              taken.contains(at) ? "accepted" : "filtered"});
    }
  }
}

const std::vector<Reject>& TableFlow::rejected() const {
  static const std::vector<Reject> kNone;
  return done_ ? done_->rejects : kNone;
}

const Counts& TableFlow::counted() const {
  return done_ ? done_->counts : counts_;
}

std::vector<base::Offset> TableFlow::reached(const MicroBatch& batch) const {
  std::vector<base::Offset> reached;
  for (const auto& part : batch.batches) {
    const auto id = app_id(batch.source, batch.incarnation, part.shard.value());
    const auto* shard =
        done_ ? done_->shard(static_cast<std::int32_t>(part.shard.value())) : nullptr;
    reached.emplace_back(shard ? shard->until : progress_.at(id).next);
  }
  return reached;
}

void TableFlow::take_over() {
  if (!done_) return;
  if (dedupe_) dedupe_->taken();
  events::processed(telemetry_, name(), done_->counts, done_->rejects);
  for (auto& chunk : done_->output) rows_->add(std::move(chunk));
  for (auto& chunk : done_->reject_chunks) rejects_->add(std::move(chunk));
  for (const auto& [number, shard] : done_->shards) {
    auto& progress = progress_.at(shard.id);
    rows_->begin(shard.id, progress.next);
    progress.next = shard.until;
    progress.counts.add(shard.counts);
    progress.counts.until = shard.until;
    reached_[number] = shard.until;
    const auto event = done_->batch.newest_event(base::ShardId(number));
    if (event) progress.newest_event = std::max(progress.newest_event.value_or(*event), *event);
  }
  rows_->reach(std::make_shared<const Reached>(reached_));
  counts_.add(done_->counts);
  if (!done_->halted.empty()) {
    halted_ = done_->halted;
    events::halted(telemetry_, name(), halted_);
  }
  done_.reset();
}

bool TableFlow::has_uncommitted() const {
  return std::ranges::any_of(progress_, [](const auto& entry) {
    const auto& progress = entry.second;
    return progress.committed ? progress.next != *progress.committed : progress.next > 0;
  });
}

Sealed TableFlow::seal() {
  Sealed sealed{.rows = rows_, .rejects = rejects_, .counts = counts_};
  std::map<std::string, std::int64_t> positions;
  const auto snapshot = table_->snapshot();
  for (const auto& [id, progress] : progress_) {
    if (progress.newest_event) sealed.newest_events[id] = *progress.newest_event;
    if (progress.next == progress.committed.value_or(0)) continue;
    sealed.positions.push_back({id, progress.committed, progress.next});
    for (auto& note : notes_of(progress.counts, snapshot->transactions, id)) {
      sealed.notes.push_back(std::move(note));
    }
    positions[id] = progress.next;
  }
  rows_->mark_contained_from(std::move(positions));
  if (dedupe_) dedupe_->seal();
  begin_generation();
  return sealed;
}

void TableFlow::committed(const Sealed& sealed) {
  for (const auto& position : sealed.positions) {
    progress_.at(position.app_id).committed = position.next;
  }
  if (!dedupe_) return;
  // Kept too long is not wrong, so this is tried again at the next commit.
  if (const auto forgot = dedupe_->forget_old(); !forgot) {
    events::maintenance_failed(telemetry_, name(), forgot.error());
  }
}

}  // namespace millrace::flow
