#include "flow/worker.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/units.hpp"
#include "flow/events.hpp"
#include "flow/marks.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

constexpr auto kCommitRetry = std::chrono::milliseconds(500);
// Commits without event times (compactions) that are passed over to find the last one with.
constexpr std::size_t kHistoryLooked = 200;

os::Path replay_folder(const WorkerParts& parts) {
  return parts.folder / "replay";
}

// The newest event times that a table's last stream commit noted.
std::map<std::string, base::Time> noted_events(const lake::Table& table) {
  const auto history = table.history(kHistoryLooked);
  if (!history) return {};
  for (const auto& commit : *history) {
    auto times = newest_events_of(commit.extra);
    if (!times.empty()) return times;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::open(WorkerParts parts) {
  std::unique_ptr<Worker> worker(new Worker(std::move(parts)));
  const auto& own = worker->parts_;
  worker->plans_ = plan_tables(own.pipeline, own.lookups, own.tools.engine);
  if (!worker->plans_.errors.empty()) return worker->plans_.errors.front();
  TRY(os::make_directories_durably(own.tools.disk, replay_folder(own)));
  worker->rejects_ = TRY(
      RejectsTable::open(own.tools.tables_of(own.folder), own.pipeline.name, own.tools, own.board));
  worker->committer_ = TRY(Committer::open(own.tools, own.board, *worker->rejects_));
  TRY(worker->open_loops());
  own.board.publish();
  return worker;
}

Worker::~Worker() {
  (void)stop(Commit::No).has_value();
}

Result<void> Worker::open_loops() {
  std::map<std::string, SourceLoop::Parts> by_source;
  std::map<std::string, std::size_t> index_of;
  for (auto& plan : plans_.tables) {
    const auto& source = parts_.pipeline.root_source(plan.table);
    const auto stream = parts_.sources.find(source.name);
    CHECK(stream != parts_.sources.end());
    auto& loop = by_source[source.name];
    loop.source = &source;
    loop.stream = stream->second;
    const auto parent = plan.table.from_is_table ? std::optional(index_of.at(plan.table.from))
                                                 : std::optional<std::size_t>();
    index_of[plan.table.name] = loop.tables.size();
    loop.parents.push_back(parent);
    loop.tables.push_back(TRY(open_table(std::move(plan), source)));
    remember_marks(*loop.tables.back(), source.name, *loop.stream);
  }
  plans_.tables.clear();
  for (auto& [name, loop] : by_source) {
    for (auto& table : loop.tables) {
      TRY(check_pipeline(*table));
      TRY(resume(*table, *loop.source));
      TRY(table->rebuild_dedupe().context(
          fmt::format("table '{}': reading its keys back", table->name())));
    }
  }
  for (const auto& path : TRY(list_manifests(replay_folder(parts_), parts_.tools.disk))) {
    auto replay = TRY(ReplaySource::open(path, parts_.tools.engine));
    const auto loop = by_source.find(replay->root_source());
    if (loop != by_source.end()) loop->second.replays.push_back(std::move(replay));
  }
  for (auto& [name, loop] : by_source) {
    loop.tools = &parts_.tools;
    loop.board = &parts_.board;
    loop.options = parts_.options.loop;
    loop.options.hot_bytes_max /= by_source.size();
    loop.submit = [this](SourceLoop& from, std::size_t table, CommitJob job) {
      std::lock_guard lock(mutex_);
      coming_.push_back({&from, table, std::move(job)});
      wake_.notify_all();
    };
    loops_.push_back(std::make_unique<SourceLoop>(std::move(loop)));
  }
  return {};
}

Result<std::unique_ptr<TableFlow>> Worker::open_table(TablePlan plan,
                                                      const config::Source& source) {
  const auto name = plan.table.name;
  auto table = TRY(lake::Table::open_or_create(parts_.tools.tables_of(parts_.folder) / name,
                                               plan.output, plan.table.partition_by, parts_.tools)
                       .context(fmt::format("table '{}'", name)));
  TRY(rejects_->roll_forward(name, *table));
  std::vector<lookup::Lookup*> lookups;
  for (const auto& one : plan.table.lookups) lookups.push_back(parts_.lookups.at(one.lookup));
  const auto lateness = source.event_time ? source.event_time->lateness : microseconds(0);
  auto flow = std::make_unique<TableFlow>(
      TableFlow::Parts{.plan = std::move(plan),
                       .lookups = std::move(lookups),
                       .table = table.get(),
                       .pipeline = parts_.pipeline.name,
                       .lateness = lateness,
                       .dedupe = {.bytes_max = parts_.options.dedupe_bytes_max,
                                  .spill = parts_.folder / "scratch" / ("dedupe-" + name)},
                       .clock = &parts_.tools.clock,
                       .telemetry = parts_.tools.telemetry});
  parts_.board.add_table(name, *table);
  tables_.push_back(std::move(table));
  return flow;
}

namespace {

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
  std::vector<base::ShardId> anew;
  for (int i = 0; i < stream.shard_count(); ++i) {
    const base::ShardId shard(i);
    const auto id = table.app_id(source.name, stream.incarnation(), i);
    // Where a numbered source begins for a table must not move while the table has no commit.
    const bool is_in_its_midst = stream.mark(shard, stream.oldest(shard)).has_value();
    if (!is_known || (is_in_its_midst && !snapshot->transaction(id))) anew.push_back(shard);
  }
  if (!anew.empty()) TRY(note_beginning(table, stream, source.name, anew));
  if (!is_known) {
    events::source_accepted(parts_.tools.telemetry, table.name(), source.name,
                            stream.incarnation());
  }
  const auto events = noted_events(table.table());
  for (int shard = 0; shard < stream.shard_count(); ++shard) {
    const auto id = table.app_id(source.name, stream.incarnation(), shard);
    const auto event = events.find(id);
    table.resume(id, stream.oldest(base::ShardId(shard)),
                 event == events.end() ? std::nullopt : std::optional(event->second));
  }
  return {};
}

// That a source was accepted is remembered at once, by its first positions in the table: a restart
// before its first rows are committed needs no second word.
Result<void> Worker::note_beginning(TableFlow& table, const source::Source& stream,
                                    const std::string& source,
                                    const std::vector<base::ShardId>& shards) {
  lake::Transaction change{.operation = "ACCEPT SOURCE"};
  for (const auto shard : shards) {
    change.positions.push_back({table.app_id(source, stream.incarnation(), shard.value()),
                                std::nullopt, stream.oldest(shard).value()});
  }
  change.notes = notes_of(stream, change.positions);
  const auto outcome = TRY(table.table().commit(change));
  if (const auto* conflict = std::get_if<lake::Conflict>(&outcome)) {
    return Error{Code::Denied, "another process writes to this table: " + conflict->detail,
                 table.table().root().string()};
  }
  return {};
}

void Worker::start(std::function<void(const Error&)> on_fatal) {
  {
    std::lock_guard lock(mutex_);
    on_fatal_ = std::move(on_fatal);
  }
  commit_thread_ = std::jthread([this](const std::stop_token& stopping) { run_commits(stopping); });
  for (const auto& loop : loops_) {
    loop_threads_.emplace_back(
        [this, raw = loop.get()](const std::stop_token& stopping) { run_loop(*raw, stopping); });
  }
}

void Worker::run_loop(SourceLoop& loop, const std::stop_token& stopping) {
  if (const auto ended = loop.run(stopping); !ended) fail(ended.error());
}

void Worker::fail(const Error& error) {
  std::function<void(const Error&)> call;
  {
    std::lock_guard lock(mutex_);
    call.swap(on_fatal_);
  }
  if (call) call(error);
}

void Worker::run_commits(const std::stop_token& stopping) {
  while (!stopping.stop_requested()) {
    std::unique_lock lock(mutex_);
    if (!wake_.wait(lock, stopping, [&] { return !coming_.empty(); })) return;
    Coming coming = std::move(coming_.front());
    coming_.pop_front();
    lock.unlock();
    if (!commit(coming, stopping)) return;
  }
}

// Tries until it is done: the rows wait in memory meanwhile, and reading waits when they are many.
// False if nothing may be committed any more: what comes later builds on this.
bool Worker::commit(Coming& coming, const std::stop_token& stopping) {
  while (!stopping.stop_requested()) {
    const auto done = committer_->run(coming.job);
    if (done) {
      coming.loop->committed(coming.table, std::move(coming.job));
      return true;
    }
    events::commit_failed(parts_.tools.telemetry, coming.job.name, done.error());
    coming.loop->commit_failed(coming.table, done.error());
    if (done.error().code == Code::Denied || done.error().code == Code::Corrupt) {
      fail(done.error());
      return false;
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stopping, kCommitRetry, [] { return false; });
  }
  return false;
}

Result<void> Worker::catch_up(microseconds timeout) {
  for (const auto& loop : loops_) TRY(loop->catch_up(timeout));
  return {};
}

Result<void> Worker::commit_now() {
  for (const auto& loop : loops_) TRY(loop->commit_now());
  return {};
}

Result<void> Worker::take_in(microseconds timeout) {
  TRY(
      catch_up(timeout).context(fmt::format("records that were acknowledged could not be taken in "
                                            "within {}; come again later",
                                            base::format_duration(timeout))));
  return commit_now();
}

Result<void> Worker::stop(Commit commit) {
  Result<void> committed;
  if (commit == Commit::Yes && !loop_threads_.empty()) committed = commit_now();
  loop_threads_.clear();  // asks them to stop, and waits
  commit_thread_ = {};
  return committed;
}

std::optional<base::Time> Worker::watermark(std::string_view table) const {
  for (const auto& one : status()) {
    if (one.name == table) return one.watermark;
  }
  return std::nullopt;
}

std::vector<TableStatus> Worker::status() const {
  std::vector<TableStatus> all;
  for (const auto& loop : loops_) {
    auto some = loop->status();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

Result<ReplayStarted> Worker::replay(const ReplayRequest& request) {
  // What is chosen must be in the lake, and so must be the rows that a chained table reads.
  TRY(commit_now());
  std::lock_guard one_at_a_time(replay_mutex_);
  auto& table = rejects_->table();
  const auto paths =
      TRY(write_manifests(request, lake::scan_sql(table.root(), *table.snapshot()),
                          replay_folder(parts_), parts_.tools.disk, parts_.tools.engine));
  ReplayStarted started;
  for (const auto& path : paths) {
    auto replay = TRY(ReplaySource::open(path, parts_.tools.engine));
    started.ids.push_back(std::to_string(replay->number()));
    started.records += replay->end(base::ShardId(0)).value();
    for (const auto& loop : loops_) {
      if (loop->source().name == replay->root_source()) {
        loop->add_replay(std::move(replay));
        break;
      }
    }
  }
  return started;
}

}  // namespace millrace::flow
