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

constexpr std::uint64_t kReplayNumbers = 1U << 30;  // a shard's number has 32 bits
constexpr auto kCommitRetry = std::chrono::milliseconds(500);

os::Path replay_folder(const WorkerParts& parts) {
  return parts.folder / "replay";
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
  worker->committer_ = std::make_unique<Committer>(own.tools, own.board, *worker->rejects_);
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
    const auto registry = parts_.registries.find(source.name);
    if (registry != parts_.registries.end()) loop.registry = registry->second;
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
      // Of a shared source no shard is ours yet.
      if (loop.stream->share()) continue;
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
    loop.follow_rejects = [this](const TableFlow& table) {
      return rejects_->follow(table.name(), table.table());
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
                       .claims = parts_.claims,
                       .keeps_positions = parts_.sources.at(source.name)->keeps_positions(),
                       .clock = &parts_.tools.clock,
                       .telemetry = parts_.tools.telemetry});
  parts_.board.add_table(name, *table);
  tables_.push_back(std::move(table));
  return flow;
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
  if (!std::ranges::any_of(loops_, [](const auto& loop) { return loop->is_shared(); })) return;
  follow_thread_ = std::jthread([this](const std::stop_token& stopping) { follow(stopping); });
}

// What other workers commit is seen by queries and jobs here, and moves the watermark.
void Worker::follow(const std::stop_token& stopping) {
  bool was_fine = true;
  while (!stopping.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stopping, parts_.options.follow_every, [] { return false; });
    }
    std::optional<Error> failed;
    for (const auto& [name, before] : parts_.board.follow(failed)) {
      const auto* table = parts_.board.table(name);
      if (!table) continue;
      const auto commits = table->commits_after(before);
      if (!commits) continue;  // the next one says the newest times again
      std::map<std::string, base::Time> events;
      for (const auto& commit : *commits) {
        for (const auto& [id, time] : newest_events_of(commit.info.extra)) {
          events[id] = std::max(events[id], time);
        }
      }
      for (const auto& loop : loops_) loop->followed(name, events);
    }
    if (failed) events::follow_failed(parts_.tools.telemetry, was_fine, *failed);
    was_fine = !failed;
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
    if (coming.job.term != coming.loop->term()) {
      drop(coming.job);  // it builds on what another worker was faster with
    } else if (!commit(coming, stopping)) {
      return;
    }
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
    if (coming.job.conflict && coming.loop->is_shared()) {
      drop(coming.job);
      coming.loop->fenced(
          fmt::format("table '{}': {}", coming.job.name, coming.job.conflict->detail));
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

// Its rows are read anew, by whom they are now. Of files that a commit may yet name, nothing is
// known: vacuum finds them.
void Worker::drop(CommitJob& job) const {
  job.sealed.rows->drop();
  job.sealed.rejects->drop();
  if (job.is_unclear) return;
  for (const auto& file : job.row_files.value_or(std::vector<lake::AddFile>{})) {
    job.table->discard_file(file.path);
  }
  for (const auto& file : job.reject_files.value_or(std::vector<lake::AddFile>{})) {
    rejects_->table().discard_file(file.path);
  }
}

Result<void> Worker::catch_up(microseconds timeout) {
  for (const auto& loop : loops_) TRY(loop->catch_up(timeout));
  return {};
}

Result<void> Worker::commit_now(std::optional<base::SteadyTime> until) {
  for (const auto& loop : loops_) TRY(loop->commit_now(until));
  return {};
}

Result<void> Worker::take_in(microseconds timeout) {
  const auto fences = [&] {
    std::uint64_t count = 0;
    for (const auto& loop : loops_) count += loop->fences();
    return count;
  };
  // What was dropped meanwhile is to be taken in once more.
  for (;;) {
    const auto before = fences();
    TRY(catch_up(timeout).context(
        fmt::format("records that were acknowledged could not be taken in within {}; come again "
                    "later",
                    base::format_duration(timeout))));
    TRY(commit_now());
    if (fences() == before) return {};
  }
}

Result<void> Worker::stop(Commit commit) {
  Result<void> committed;
  end_following();
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

// With `unique`, each worker knows the keys of its own shards.
Result<void> Worker::check_replay(const ReplayRequest& request) const {
  for (const auto& loop : loops_) {
    if (!loop->is_shared() || loop->has_all_shards()) continue;
    for (const auto& table : loop->tables()) {
      if (!table->plan().table.unique) continue;
      if (request.table && *request.table != table->name()) continue;
      return Error{Code::Unavailable,
                   fmt::format("table '{}' has `unique`, and other workers read some of the "
                               "partitions of '{}': stop them for as long as the replay takes, or "
                               "name another table",
                               table->name(), loop->source().name)};
    }
  }
  return {};
}

std::optional<std::map<std::int32_t, std::uint64_t>> Worker::shards_of(
    const std::string& source) const {
  for (const auto& loop : loops_) {
    if (loop->source().name == source && loop->is_shared()) return loop->held_shards();
  }
  return std::nullopt;
}

Result<ReplayStarted> Worker::replay(const ReplayRequest& request) {
  TRY(check_replay(request));
  // What is chosen must be in the lake, and so must be the rows that a chained table reads.
  TRY(commit_now());
  std::lock_guard one_at_a_time(replay_mutex_);
  auto& table = rejects_->table();
  // Replays of several workers meet in the same tables: numbers that others hardly take.
  auto wanted = request;
  if (parts_.pipeline.has_many_workers()) {
    wanted.number_min += static_cast<std::int64_t>(parts_.tools.random.below(kReplayNumbers));
  }
  const auto paths =
      TRY(write_manifests(wanted, lake::scan_sql(table.root(), *table.snapshot()),
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
