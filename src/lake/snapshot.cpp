#include "lake/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::lake {

std::shared_ptr<const Snapshot> Snapshot::after(const Commit& commit) const {
  auto next = std::make_shared<Snapshot>(*this);
  next->version = base::TableVersion(commit.info.version);
  next->timestamp_ms = commit.info.timestamp_ms;
  if (commit.protocol) next->protocol = *commit.protocol;
  if (commit.metadata) next->metadata = std::make_shared<const Metadata>(*commit.metadata);
  for (const auto& remove : commit.removes) {
    next->files.erase(remove.path);
    next->tombstones[remove.path] = remove;
  }
  for (const auto& add : commit.adds) {
    next->tombstones.erase(add.path);
    next->files[add.path] = std::make_shared<const AddFile>(add);
  }
  for (const auto& txn : commit.transactions) next->transactions[txn.app_id] = txn.version;
  return next;
}

std::int64_t Snapshot::record_count() const {
  std::int64_t count = 0;
  for (const auto& [path, file] : files) {
    if (file->record_count < 0) return -1;
    count += file->record_count;
  }
  return count;
}

std::int64_t Snapshot::bytes() const {
  std::int64_t sum = 0;
  for (const auto& [path, file] : files) sum += file->size;
  return sum;
}

std::optional<std::int64_t> Snapshot::transaction(const std::string& app_id) const {
  const auto found = transactions.find(app_id);
  if (found == transactions.end()) return std::nullopt;
  return found->second;
}

std::vector<std::shared_ptr<const AddFile>> Snapshot::files_of(
    const PartitionValues& partition) const {
  std::vector<std::shared_ptr<const AddFile>> found;
  for (const auto& [path, file] : files) {
    if (file->partition_values == partition) found.push_back(file);
  }
  return found;
}

std::string scan_sql(const os::Path& root, const Metadata& metadata,
                     const std::vector<std::shared_ptr<const AddFile>>& files) {
  std::vector<os::Path> paths;
  for (const auto& file : files) paths.push_back(root / uri_decoded(file->path));
  return scan_sql(paths, metadata);
}

std::string scan_sql(const std::vector<os::Path>& files, const Metadata& metadata) {
  std::vector<std::string> columns;
  for (const auto& column : metadata.schema) {
    const auto name = base::sql_name(column.name);
    columns.push_back(
        files.empty() ? fmt::format("CAST(NULL AS {}) AS {}", column.type.text(), name) : name);
  }
  if (files.empty()) return fmt::format("SELECT {} WHERE false", base::join(columns, ", "));
  std::vector<std::string> paths;
  for (const auto& file : files) {
    paths.push_back(base::sql_string(file.string()));
  }
  std::vector<std::string> types;
  for (const auto& name : metadata.partition_columns) {
    const auto column = std::ranges::find(metadata.schema, name, &sql::Column::name);
    if (column == metadata.schema.end()) continue;
    types.push_back(
        fmt::format("{}: {}", base::sql_string(name), base::sql_string(column->type.text())));
  }
  const std::string hive =
      types.empty()
          ? "hive_partitioning = false"
          : fmt::format("hive_partitioning = true, hive_types = {{{}}}", base::join(types, ", "));
  return fmt::format("SELECT {} FROM read_parquet([{}], {})", base::join(columns, ", "),
                     base::join(paths, ", "), hive);
}

std::string scan_sql(const os::Path& root, const Snapshot& snapshot) {
  std::vector<std::shared_ptr<const AddFile>> files;
  for (const auto& [path, file] : snapshot.files) files.push_back(file);
  return scan_sql(root, *snapshot.metadata, files);
}

}  // namespace millrace::lake
