#include "lake/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.hpp"
#include "lake/events.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr int kReaderVersionMax = 1;
constexpr int kWriterVersionMax = 2;
constexpr int kPutAttempts = 6;

// Longer with each attempt, and by chance, so that racing writers part.
void pause(base::Random& random, int attempt) {
  const auto wait_max = std::uint64_t{1} << std::min(attempt, 7);
  std::this_thread::sleep_for(std::chrono::milliseconds(random.below(wait_max + 1)));
}

std::int64_t now_ms(const base::Clock& clock) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock.now().time_since_epoch())
      .count();
}

Result<void> check_readable(const Snapshot& snapshot, const os::Path& root) {
  if (!snapshot.metadata) {
    return Error{Code::Corrupt, "the table's log has no metadata", root.string()};
  }
  if (snapshot.protocol.reader_version > kReaderVersionMax) {
    return Error{Code::Invalid,
                 fmt::format("the table needs Delta reader version {}, and this program has {}",
                             snapshot.protocol.reader_version, kReaderVersionMax),
                 root.string()};
  }
  return {};
}

Result<void> check_writable(const Snapshot& snapshot, const os::Path& root) {
  if (snapshot.protocol.writer_version > kWriterVersionMax) {
    return Error{Code::Denied,
                 fmt::format("the table needs Delta writer version {}, and this program has {}",
                             snapshot.protocol.writer_version, kWriterVersionMax),
                 root.string()};
  }
  for (const char* key : {"delta.setTransactionRetentionDuration", "delta.enableChangeDataFeed"}) {
    const auto found = snapshot.metadata->configuration.find(key);
    if (found != snapshot.metadata->configuration.end() && found->second != "false") {
      return Error{Code::Denied,
                   fmt::format("the table sets {} = {}, with which positions or changes would be "
                               "lost; unset it to write to this table",
                               key, found->second),
                   root.string()};
    }
  }
  return {};
}

bool touches(const Commit& commit, const std::vector<PartitionValues>& partitions) {
  const auto is_among = [&](const PartitionValues& values) {
    return std::ranges::find(partitions, values) != partitions.end();
  };
  return std::ranges::any_of(commit.adds,
                             [&](const AddFile& add) {
                               return add.is_data_change && is_among(add.partition_values);
                             }) ||
         std::ranges::any_of(commit.removes, [&](const RemoveFile& remove) {
           return remove.is_data_change && is_among(remove.partition_values);
         });
}

Result<void> check_partitions(const Metadata& metadata, const std::vector<std::string>& wanted,
                              const os::Path& root) {
  if (metadata.partition_columns == wanted) return {};
  return Error{Code::Invalid,
               fmt::format("the table is partitioned by [{}], not by [{}]; give it a new name",
                           base::join(metadata.partition_columns, ", "), base::join(wanted, ", ")),
               root.string()};
}

std::optional<Conflict> position_conflict(const Transaction& transaction, const Snapshot& now) {
  for (const auto& position : transaction.positions) {
    const auto stored = now.transaction(position.app_id);
    if (stored == position.expected) continue;
    return Conflict{
        Conflict::What::Position,
        fmt::format("{} stands at {}, not at {}", position.app_id,
                    stored ? std::to_string(*stored) : "nothing",
                    position.expected ? std::to_string(*position.expected) : "nothing")};
  }
  return std::nullopt;
}

}  // namespace

os::Path Table::commit_path(std::int64_t version) const {
  return log_ / fmt::format("{:020}.json", version);
}

Result<std::unique_ptr<Table>> Table::open(const os::Path& root, const Tools& tools,
                                           const TableOptions& options) {
  std::unique_ptr<Table> table(new Table(root, tools, options));
  table->publish(TRY(table->load()));
  TRY(check_readable(*table->snapshot(), root));
  return table;
}

Result<std::unique_ptr<Table>> Table::open_or_create(
    const os::Path& root, const Schema& schema, const std::vector<std::string>& partition_columns,
    const Tools& tools, const TableOptions& options) {
  std::unique_ptr<Table> table(new Table(root, tools, options));
  TRY(table->store_.make_folder(root, table->log_, Settled::Yes));
  TRY(table->settle_names());
  if (!TRY(table->store_.stat(table->commit_path(0)))) {
    Commit first;
    first.info = {.version = 0,
                  .timestamp_ms = now_ms(tools.clock),
                  .operation = "CREATE TABLE",
                  .transaction_id = tools.random.uuid(),
                  .is_blind_append = true};
    first.protocol = Protocol{};
    first.metadata = Metadata{.id = tools.random.uuid(),
                              .schema = schema,
                              .partition_columns = partition_columns,
                              .created_ms = first.info.timestamp_ms};
    // If a checkpointed table lost its first commit to cleanup, `load` finds it; else one creator
    // wins.
    const auto existing = table->load();
    if (!existing && existing.error().code != Code::NotFound) return existing.error();
    if (!existing) {
      const std::string bytes = TRY(encode_commit(first));
      (void)TRY(table->put_commit(first, bytes));
    }
  }
  table->publish(TRY(table->load()));
  TRY(check_readable(*table->snapshot(), root));
  TRY(check_partitions(*table->snapshot()->metadata, partition_columns, root));
  TRY(check_writable(*table->snapshot(), root));
  TRY(table->add_columns(schema).context(root.filename().string()));
  return table;
}

Result<void> Table::add_columns(const Schema& schema) {
  for (int attempt = 0; attempt < options_.commit_attempts; ++attempt) {
    const auto now = snapshot();
    const auto change = schema_change(schema, now->metadata->schema);
    if (!change.refused.empty()) {
      return Error{Code::Invalid,
                   fmt::format("the table has other columns\n  {}\nor give the table a new name",
                               base::join(change.refused, "\n  "))};
    }
    if (change.is_none()) return {};
    Metadata metadata = *now->metadata;
    metadata.schema = schema;
    auto added = added_columns(metadata);
    added.insert(added.end(), change.added.begin(), change.added.end());
    metadata.configuration[Metadata::kAddedColumns] = nlohmann::json(added).dump();
    const Transaction transaction{.operation = kAddColumns,
                                  .parameters = {{"columns", nlohmann::json(change.added).dump()}},
                                  .metadata = std::move(metadata),
                                  .read_version = now->version};
    const auto outcome = commit(transaction);
    // Whoever else did it, and whether ours came through, is seen at the next look.
    if (!outcome && outcome.error().code != Code::Unknown) return outcome.error();
    TRY(refresh());
  }
  return Error{Code::Unavailable, "others change the table's columns again and again"};
}

// A life that was killed may have left folders and a commit that are seen but not yet synced. What
// is read from them will be relied on: whoever takes up at their positions lets the source go.
Result<void> Table::settle_names() const {
  const os::Path tables = root_.parent_path();
  for (const auto& folder : {log_, root_, tables, tables.parent_path()}) {
    TRY(store_.settle(folder));
  }
  return {};
}

std::shared_ptr<const Snapshot> Table::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

void Table::publish(std::shared_ptr<const Snapshot> snapshot) {
  std::lock_guard lock(mutex_);
  std::erase_if(awaited_, [&](const std::string& path) { return snapshot->files.contains(path); });
  if (!snapshot_ || snapshot->version > snapshot_->version) snapshot_ = std::move(snapshot);
}

void Table::await_commit_of(const std::string& path) const {
  std::lock_guard lock(mutex_);
  awaited_.insert(path);
}

std::set<std::string> Table::awaited_files() const {
  std::lock_guard lock(mutex_);
  return awaited_;
}

void Table::discard_file(const std::string& path) const {
  (void)store_.remove({root_ / uri_decoded(path)}).has_value();
  std::lock_guard lock(mutex_);
  awaited_.erase(path);
}

Result<Commit> Table::read_commit(std::int64_t version) const {
  const os::Path path = commit_path(version);
  auto commit = decode_commit(TRY(store_.read(path)), version);
  if (commit) return commit;
  Error error = commit.error();
  error.place = path.string();
  return error;
}

Result<std::shared_ptr<const Snapshot>> Table::advance(std::shared_ptr<const Snapshot> from) const {
  for (;;) {
    const std::int64_t next = from->version.value() + 1;
    const auto commit = read_commit(next);
    if (!commit && commit.error().code == Code::NotFound) return from;
    from = from->after(TRY(commit));
  }
}

Result<std::shared_ptr<const Snapshot>> Table::refresh() {
  auto newest = TRY(advance(snapshot()));
  TRY(check_readable(*newest, root_));
  publish(newest);
  return newest;
}

Result<std::optional<Conflict>> Table::find_conflict(const Transaction& transaction,
                                                     const Snapshot& now) const {
  if (auto conflict = position_conflict(transaction, now)) return conflict;
  for (const auto& remove : transaction.removes) {
    if (now.files.contains(remove.path)) continue;
    return std::optional(
        Conflict{Conflict::What::DeletedFile, remove.path + " was removed by another writer"});
  }
  if (transaction.read_version.value() < 0) return std::optional<Conflict>();
  for (auto v = transaction.read_version.value() + 1; v <= now.version.value(); ++v) {
    const Commit between = TRY(read_commit(v));
    if (between.metadata || between.protocol) {
      return std::optional(Conflict{Conflict::What::Metadata,
                                    fmt::format("version {} changed the table's columns", v)});
    }
    if (touches(between, transaction.replaced_partitions)) {
      return std::optional(Conflict{Conflict::What::Partition,
                                    fmt::format("version {} wrote into the same partition", v)});
    }
  }
  return std::optional<Conflict>();
}

Result<Commit> Table::commit_of(const Transaction& transaction, const Snapshot& base) const {
  Commit commit;
  // Commit times never run backwards, whatever the clock does.
  const auto now = std::max(now_ms(tools_.clock), base.timestamp_ms);
  commit.info = {.version = base.version.value() + 1,
                 .timestamp_ms = now,
                 .operation = transaction.operation,
                 .parameters = transaction.parameters,
                 .transaction_id = tools_.random.uuid(),
                 .is_blind_append = transaction.read_version.value() < 0,
                 .extra = transaction.extra};
  commit.metadata = transaction.metadata;
  commit.adds = transaction.adds;
  commit.removes = transaction.removes;
  for (auto& remove : commit.removes) remove.deleted_ms = now;
  for (const auto& position : transaction.positions) {
    CHECK(!position.expected || position.next >= *position.expected);
    commit.transactions.push_back({position.app_id, position.next, now});
  }
  for (const auto& [app_id, number] : transaction.notes) {
    commit.transactions.push_back({app_id, number, now});
  }
  return commit;
}

Result<std::variant<Committed, Conflict>> Table::commit(const Transaction& transaction) {
  using Outcome = std::variant<Committed, Conflict>;
  std::lock_guard one_at_a_time(commit_mutex_);
  for (int attempt = 0; attempt < options_.commit_attempts; ++attempt) {
    // Mostly nobody else has written: that the version is free shows when it is taken, and on S3
    // looking first would be a round trip more.
    const auto now = attempt == 0 ? snapshot() : TRY(refresh());
    TRY(check_writable(*now, root_));
    if (auto conflict = TRY(find_conflict(transaction, *now))) return Outcome(*conflict);
    const Commit commit = TRY(commit_of(transaction, *now));
    if (auto committed = TRY(try_commit(*now, commit))) return Outcome(*committed);
    events::commit_raced(tools_.telemetry, root_, commit.info.version);
    pause(tools_.random, attempt);
  }
  return Error{
      Code::Unavailable,
      fmt::format("{} other commits were faster; nothing was written", options_.commit_attempts),
      root_.string()};
}

// Whether the commit that stands where `commit` should is `commit`.
Result<bool> Table::is_ours(const Commit& commit) const {
  const auto there = TRY(read_commit(commit.info.version));
  return there.info.transaction_id == commit.info.transaction_id;
}

// False if another writer took the version or is about to. Errors  Unknown: ours may stand there.
Result<bool> Table::put_commit(const Commit& commit, const std::string& bytes) const {
  using What = PutOutcome::What;
  std::optional<Error> doubt;  // why an earlier try may yet have done it
  const auto unknown = [&](const Error& error) {
    return Error{Code::Unknown, (doubt ? *doubt : error).message, error.place};
  };
  for (int attempt = 0; attempt < kPutAttempts; ++attempt) {
    if (attempt > 0) pause(tools_.random, attempt);
    const auto put = store_.put_if_absent(commit_path(commit.info.version), bytes);
    if (!put) return doubt ? unknown(*doubt) : put.error();
    if (put->what == What::Created) return true;
    if (put->what == What::Conflict) continue;
    const auto ours = is_ours(commit);
    if (put->what == What::Ambiguous) {
      doubt = *put->error;
      events::commit_ambiguous(tools_.telemetry, root_, doubt->text(), ours && *ours);
    }
    if (ours && !*ours) return false;
    if (ours) {
      const auto settled = store_.settle(log_);
      return settled ? Result<bool>(true) : unknown(settled.error());
    }
    if (put->what == What::Exists || ours.error().code != Code::NotFound) {
      return unknown(ours.error());
    }
    // What was begun may still arrive. The same bytes are put again: then one of the two stands.
  }
  if (doubt) return unknown(*doubt);
  return false;
}

// None if another writer took the version.
Result<std::optional<Committed>> Table::try_commit(const Snapshot& base, const Commit& commit) {
  const auto started = tools_.clock.steady_now();
  const auto version = commit.info.version;
  const std::string bytes = TRY(encode_commit(commit));
  if (!TRY(put_commit(commit, bytes))) return std::optional<Committed>();
  const auto next = base.after(commit);  // whoever follows the log may have come further meanwhile
  publish(next);
  {
    std::lock_guard lock(mutex_);
    bytes_since_checkpoint_ += bytes.size();
  }
  const std::chrono::duration<double> took = tools_.clock.steady_now() - started;
  events::committed(tools_.telemetry, root_, version, static_cast<std::int64_t>(commit.adds.size()),
                    took.count());
  return std::optional(Committed{next->version, next});
}

Result<std::vector<Commit>> Table::commits_after(base::TableVersion after) const {
  std::vector<Commit> commits;
  const auto until = snapshot()->version.value();
  for (auto version = after.value() + 1; version <= until; ++version) {
    commits.push_back(TRY(read_commit(version)));
  }
  return commits;
}

Result<std::vector<CommitInfo>> Table::history(std::size_t count) const {
  std::vector<CommitInfo> infos;
  for (auto version = snapshot()->version.value(); version >= 0 && infos.size() < count;
       --version) {
    auto commit = read_commit(version);
    if (!commit && commit.error().code == Code::NotFound) break;
    infos.push_back(TRY(std::move(commit)).info);
  }
  return infos;
}

}  // namespace millrace::lake
