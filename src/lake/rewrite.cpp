#include "lake/rewrite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.hpp"

namespace millrace::lake {
namespace {

using base::Result;

// Small files of one partition, in groups that each make about one file of the target size.
std::vector<Files> groups_of(Files small, const CompactOptions& options) {
  std::ranges::sort(small, {}, &AddFile::modified_ms);
  std::vector<Files> groups;
  std::int64_t bytes = options.target_bytes;
  for (auto& file : small) {
    if (bytes + file->size > options.target_bytes) groups.emplace_back(), bytes = 0;
    bytes += file->size;
    groups.back().push_back(std::move(file));
  }
  std::erase_if(groups, [&](const Files& group) { return group.size() < options.files_min; });
  return groups;
}

std::string order_of(const Metadata& metadata) {
  std::vector<std::string> columns;
  for (const auto* name : {"_shard", "_offset", "_row"}) {
    const bool is_there = std::ranges::find(metadata.schema, std::string(name),
                                            &sql::Column::name) != metadata.schema.end();
    if (is_there) columns.push_back(base::sql_name(name));
  }
  return columns.empty() ? "" : " ORDER BY " + base::join(columns, ", ");
}

// True if the group was replaced, false if another writer was faster.
Result<bool> rewrite(Table& table, const Files& group, const CompactOptions& options,
                     sql::Connection& connection) {
  const auto snapshot = table.snapshot();
  const auto& metadata = *snapshot->metadata;
  const std::string select =
      fmt::format("SELECT {} FROM ({}){}", data_columns(metadata),
                  scan_sql(table.root(), metadata, group), order_of(metadata));
  auto file = TRY(
      write_data_file(connection, table, select, group.front()->partition_values, options.file));
  Transaction change{.operation = "OPTIMIZE"};
  for (const auto& old : group) {
    change.removes.push_back({.path = old->path,
                              .partition_values = old->partition_values,
                              .size = old->size,
                              .is_data_change = false});
  }
  if (file) {
    file->is_data_change = false;
    change.adds.push_back(*file);
  }
  const auto outcome = TRY(table.commit(change));
  if (std::holds_alternative<Committed>(outcome)) return true;
  if (file) table.discard_file(file->path);
  return false;
}

}  // namespace

Result<Compacted> compact(Table& table, const CompactOptions& options) {
  const auto snapshot = table.snapshot();
  std::map<PartitionValues, Files> small;
  for (const auto& [path, file] : snapshot->files) {
    if (file->size < options.target_bytes / 2) small[file->partition_values].push_back(file);
  }
  std::optional<sql::Connection> own;
  if (!options.connection) own.emplace(TRY(table.tools().engine.connect()));
  Compacted done;
  for (auto& [partition, files] : small) {
    for (const auto& group : groups_of(std::move(files), options)) {
      TRY(options.before_each());
      if (!TRY(rewrite(table, group, options, own ? *own : *options.connection))) {
        ++done.partitions_given_up;
        continue;
      }
      done.files_before += group.size();
      done.files_after += 1;
      for (const auto& file : group) done.bytes += file->size;
    }
  }
  return done;
}

namespace {

struct Found {
  std::string path;
  std::int64_t bytes;
  base::Time modified_at;
};

// All data files below `folder`; names that start with `_` or `.` are not data.
Result<void> find_files(Store& store, const os::Path& root, const std::string& folder,
                        std::vector<Found>& found) {
  for (const auto& entry : TRY(store.list(root / folder))) {
    if (entry.name.starts_with("_") || entry.name.starts_with(".")) continue;
    const std::string path = folder + entry.name;
    if (entry.is_directory) {
      TRY(find_files(store, root, path + "/", found));
    } else {
      found.push_back({path, static_cast<std::int64_t>(entry.size), entry.modified_at});
    }
  }
  return {};
}

}  // namespace

Result<Vacuumed> vacuum(Table& table, const VacuumOptions& options) {
  // Before the snapshot: a file is among these, or in that, or young.
  const auto awaited = table.awaited_files();
  const auto snapshot = TRY(table.refresh());
  const auto cutoff = table.tools().clock.now() - options.retention;
  const auto cutoff_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(cutoff.time_since_epoch()).count();
  std::vector<Found> found;
  TRY(find_files(table.store(), table.root(), "", found));
  Vacuumed done;
  std::vector<os::Path> unnamed;
  for (const auto& file : found) {
    const std::string path = uri_encoded(file.path);
    const auto tombstone = snapshot->tombstones.find(path);
    const bool is_young = tombstone != snapshot->tombstones.end()
                              ? tombstone->second.deleted_ms > cutoff_ms
                              : file.modified_at > cutoff;
    if (snapshot->files.contains(path) || is_young || awaited.contains(path)) continue;
    unnamed.push_back(table.root() / file.path);
    done.paths.push_back(file.path);
    done.bytes += file.bytes;
  }
  if (!options.is_dry_run) TRY(table.store().remove(unnamed));
  return done;
}

}  // namespace millrace::lake
