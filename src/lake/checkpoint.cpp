// Table's checkpoints: written and read as Parquet by DuckDB, whose rows go through the same
// decoder as the lines of a commit.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"
#include "lake/events.hpp"
#include "lake/table.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr std::string_view kCheckpointEnd = ".checkpoint.parquet";
constexpr std::size_t kVersionDigits = 20;
constexpr const char* kHintName = "_last_checkpoint";

// The columns of a checkpoint, as DuckDB reads them out of lines of JSON.
constexpr std::string_view kActionColumns =
    "{txn: 'STRUCT(\"appId\" VARCHAR, \"version\" BIGINT, \"lastUpdated\" BIGINT)',"
    " add: 'STRUCT(path VARCHAR, \"partitionValues\" MAP(VARCHAR, VARCHAR), size BIGINT,"
    " \"modificationTime\" BIGINT, \"dataChange\" BOOLEAN, tags MAP(VARCHAR, VARCHAR), stats "
    "VARCHAR)',"
    " remove: 'STRUCT(path VARCHAR, \"deletionTimestamp\" BIGINT, \"dataChange\" BOOLEAN,"
    " \"extendedFileMetadata\" BOOLEAN, \"partitionValues\" MAP(VARCHAR, VARCHAR), size BIGINT)',"
    " \"metaData\": 'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider "
    "VARCHAR,"
    " options MAP(VARCHAR, VARCHAR)), \"schemaString\" VARCHAR, \"partitionColumns\" VARCHAR[],"
    " \"createdTime\" BIGINT, configuration MAP(VARCHAR, VARCHAR))',"
    " protocol: 'STRUCT(\"minReaderVersion\" INTEGER, \"minWriterVersion\" INTEGER)'}";

// The version at the front of a log file's name.
std::optional<std::int64_t> version_of(std::string_view name) {
  if (name.size() < kVersionDigits + 1 || name[kVersionDigits] != '.') return std::nullopt;
  std::int64_t version = 0;
  const auto read = std::from_chars(name.data(), name.data() + kVersionDigits, version);
  if (read.ec != std::errc{} || read.ptr != name.data() + kVersionDigits) return std::nullopt;
  return version;
}

bool is_commit(std::string_view name) {
  return version_of(name) && name.substr(kVersionDigits) == ".json";
}
bool is_checkpoint(std::string_view name) {
  return version_of(name) && name.substr(kVersionDigits) == kCheckpointEnd;
}

// What must stand in a checkpoint: the state, with tombstones as long as a reader may need them.
Result<std::string> checkpoint_lines(const Snapshot& snapshot, std::int64_t tombstones_after_ms) {
  Commit state;
  state.info.version = snapshot.version.value();
  state.protocol = snapshot.protocol;
  state.metadata = *snapshot.metadata;
  for (const auto& [app_id, version] : snapshot.transactions) {
    state.transactions.push_back({app_id, version, snapshot.timestamp_ms});
  }
  for (const auto& [path, remove] : snapshot.tombstones) {
    if (remove.deleted_ms >= tombstones_after_ms) state.removes.push_back(remove);
  }
  for (const auto& [path, add] : snapshot.files) state.adds.push_back(*add);
  const std::string lines = TRY(encode_commit(state));
  return lines.substr(lines.find('\n') + 1);  // a checkpoint has no commitInfo
}

// DuckDB's buffers grow with the longest line that it must expect.
std::size_t longest_line(std::string_view lines) {
  std::size_t longest = 0;
  for (std::size_t at = 0; at < lines.size();) {
    const auto end = std::min(lines.find('\n', at), lines.size());
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  return longest;
}

}  // namespace

// What is in the log, from the checkpoint on that `_last_checkpoint` tells of. That is but a hint:
// if it is missing, torn or wrong, all is listed.
Result<std::vector<os::FileInfo>> Table::list_log() const {
  if (const auto text = store_.read(log_ / kHintName)) {
    const auto hint = Json::parse(*text, nullptr, false);
    const bool has_version = hint.is_object() && hint.contains("version") &&
                             hint["version"].is_number_integer() && hint["version"] > 0;
    if (has_version) {
      const auto before = hint["version"].get<std::int64_t>() - 1;
      auto entries = TRY(store_.list(log_, fmt::format("{:020}~", before)));
      const bool is_true =
          std::ranges::any_of(entries, [](const auto& entry) { return is_checkpoint(entry.name); });
      if (is_true) return entries;
    }
  }
  return store_.list(log_);
}

Result<std::shared_ptr<const Snapshot>> Table::load() const {
  std::int64_t checkpoint = -1, first = -1, last = -1;
  std::set<std::int64_t> commits;
  for (const auto& entry : TRY(list_log())) {
    if (is_checkpoint(entry.name)) checkpoint = std::max(checkpoint, *version_of(entry.name));
    if (is_commit(entry.name)) commits.insert(*version_of(entry.name));
  }
  if (!commits.empty()) first = *commits.begin(), last = *commits.rbegin();
  if (checkpoint < 0 && first < 0) {
    return Error{Code::NotFound, "there is no table here", root_.string()};
  }
  auto snapshot = std::make_shared<const Snapshot>();
  if (checkpoint >= 0) {
    const os::Path path = log_ / fmt::format("{:020}{}", checkpoint, kCheckpointEnd);
    snapshot = std::make_shared<const Snapshot>(TRY(load_checkpoint(path, checkpoint)));
  }
  for (auto version = snapshot->version.value() + 1; version <= last; ++version) {
    if (!commits.contains(version)) {
      return Error{Code::Corrupt, "a commit is missing from the table's log; restore this file",
                   commit_path(version).string()};
    }
    snapshot = snapshot->after(TRY(read_commit(version)));
  }
  if (!snapshot->metadata) {
    return Error{Code::Corrupt, "the table's log has no metadata", root_.string()};
  }
  return advance(snapshot);
}

Result<Snapshot> Table::load_checkpoint(const os::Path& path, std::int64_t version) const {
  if (tools_.store == nullptr) return read_checkpoint(path, version);
  // Brought as a whole: an engine that cannot read where the table lies can read it then. Under a
  // name of its own: checkpoints of several tables have the same, and engines remember files by it.
  const auto draft = store_.draft_of(log_ / (tools_.random.uuid() + ".checkpoint.parquet"));
  const auto bytes = TRY(store_.read(path));
  TRY(os::write_file(tools_.disk, draft, bytes));
  auto snapshot = read_checkpoint(draft, version);
  TRY(tools_.disk.remove(draft));
  return std::move(snapshot).context(path.string());
}

Result<Snapshot> Table::read_checkpoint(const os::Path& path, std::int64_t version) const {
  auto connection = TRY(tools_.engine.connect());
  const std::string file = base::sql_string(path.string());
  const auto there = TRY(connection.scalar(fmt::format(
      "SELECT string_agg(column_name, ',') FROM (DESCRIBE FROM read_parquet({}))", file)));
  Snapshot snapshot;
  for (const std::string kind : {"protocol", "metaData", "txn", "remove", "add"}) {
    if (!there || ("," + *there + ",").find("," + kind + ",") == std::string::npos) continue;
    auto rows = TRY(connection.query(
        fmt::format(
            "SELECT CAST(to_json({0}) AS VARCHAR) FROM read_parquet({1}) WHERE {0} IS NOT NULL",
            base::sql_name(kind), file),
        sql::Fetch::Streamed));
    while (auto chunk = TRY(rows.next())) {
      std::string lines;
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        lines += fmt::format("{{\"{}\":{}}}\n", kind, chunk->column(0).text(row));
      }
      auto commit = TRY(decode_commit(lines, version).context(path.string()));
      commit.info.version = version;
      snapshot = *snapshot.after(commit);
    }
  }
  const auto info = read_commit(version);
  if (info) snapshot.timestamp_ms = info->info.timestamp_ms;
  return snapshot;
}

Result<void> Table::checkpoint() {
  const auto now = snapshot();
  const auto version = now->version.value();
  const auto keep_after = now->timestamp_ms - std::chrono::duration_cast<std::chrono::milliseconds>(
                                                  options_.deleted_file_retention)
                                                  .count();
  const std::string lines = TRY(checkpoint_lines(*now, keep_after));
  const std::string name = fmt::format("{:020}{}", version, kCheckpointEnd);
  const os::Path path = log_ / name;
  const os::Path source =
      store_.draft_of(log_ / fmt::format(".{}.{}.json", name, tools_.random.uuid()));
  const os::Path part =
      store_.draft_of(log_ / fmt::format(".{}.{}.tmp", name, tools_.random.uuid()));
  const auto write = [&]() -> Result<void> {
    TRY(os::write_file(tools_.disk, source, lines));
    auto connection = TRY(tools_.engine.connect());
    TRY(connection.run(
        fmt::format("COPY (SELECT txn, add, remove, \"metaData\", protocol FROM read_json({}, "
                    "format = 'newline_delimited', maximum_object_size = {}, columns = {})) TO {} "
                    "(FORMAT "
                    "parquet, COMPRESSION zstd)",
                    base::sql_string(source.string()), longest_line(lines) + 65536, kActionColumns,
                    base::sql_string(part.string()))));
    TRY(store_.publish(part, path));
    const Json hint{{"version", version}, {"size", std::count(lines.begin(), lines.end(), '\n')}};
    return store_.put(log_ / kHintName, hint.dump());
  };
  auto written = write();
  (void)tools_.disk.remove(source).has_value();
  if (!written) {
    (void)tools_.disk.remove(part).has_value();
    return std::move(written).context("writing a checkpoint");
  }
  std::lock_guard lock(mutex_);
  checkpointed_version_ = version;
  bytes_since_checkpoint_ = 0;
  events::checkpointed(tools_.telemetry, root_, version);
  return {};
}

Result<void> Table::maintain(base::TableVersion keep_from, When when) {
  bool is_due = false, is_new_day = false;
  const auto cutoff = keep_log_from();
  {
    std::lock_guard lock(mutex_);
    is_new_day = cutoff != log_kept_from_;
    const auto version = snapshot_->version.value();
    is_due = version > checkpointed_version_ &&
             ((version > 0 && (when == When::Now || version % options_.checkpoint_commits == 0)) ||
              bytes_since_checkpoint_ >= options_.checkpoint_bytes);
  }
  if (!is_due) return {};
  TRY(checkpoint());
  if (when != When::Now && !is_new_day) return {};
  TRY(clean_log(keep_from, cutoff));
  std::lock_guard lock(mutex_);
  log_kept_from_ = cutoff;
  return {};
}

std::chrono::sys_days Table::keep_log_from() const {
  return std::chrono::floor<std::chrono::days>(tools_.clock.now() - options_.log_retention);
}

// Keeps the newest checkpoint that is older than the retention and everything after it, so that any
// version within the retention can still be read.
Result<void> Table::clean_log(base::TableVersion keep_from, std::chrono::sys_days cutoff) {
  const auto entries = TRY(store_.list(log_));
  std::int64_t keep = -1;
  for (const auto& entry : entries) {
    if (is_checkpoint(entry.name) && entry.modified_at < cutoff) {
      keep = std::max(keep, *version_of(entry.name));
    }
  }
  keep = std::min(keep, keep_from.value());
  std::vector<os::Path> old;
  for (const auto& entry : entries) {
    const auto version = version_of(entry.name);
    if (!version || *version >= keep) continue;
    old.push_back(log_ / entry.name);
  }
  TRY(store_.remove(old));
  if (!old.empty()) events::log_cleaned(tools_.telemetry, root_, old.size());
  return {};
}

}  // namespace millrace::lake
