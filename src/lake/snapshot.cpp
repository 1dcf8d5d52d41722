#include "lake/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

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

Files Snapshot::files_of(const PartitionValues& partition) const {
  Files found;
  for (const auto& [path, file] : files) {
    if (file->partition_values == partition) found.push_back(file);
  }
  return found;
}

std::vector<std::string> added_columns(const Metadata& metadata) {
  const auto found = metadata.configuration.find(Metadata::kAddedColumns);
  if (found == metadata.configuration.end()) return {};
  const auto list = nlohmann::json::parse(found->second, nullptr, false);
  std::vector<std::string> names;
  for (const auto& name : list) {
    if (name.is_string()) names.push_back(name);
  }
  return names;
}

// A file that counts the NULLs of a column has it. One whose statistics do not say is read as if it
// had not: that is right, and a little slower.
ScanFile scan_file(os::Path path, const AddFile& file, const std::vector<std::string>& added) {
  const auto nulls = file.stats.find("\"nullCount\"");
  const bool has_all = std::ranges::all_of(added, [&](const std::string& name) {
    return nulls != std::string::npos &&
           file.stats.find(nlohmann::json(name).dump() + ":", nulls) != std::string::npos;
  });
  return {std::move(path), !has_all};
}

std::string scan_sql(const os::Path& root, const Metadata& metadata, const Files& files) {
  const auto added = added_columns(metadata);
  std::vector<ScanFile> found;
  for (const auto& file : files) {
    found.push_back(scan_file(root / uri_decoded(file->path), *file, added));
  }
  return scan_sql(found, metadata);
}

namespace {

// What a UNION reads if no column of it is named.
constexpr const char* kNoColumn = "0 AS \"(no column)\"";

std::string names_of(const Schema& schema) {
  std::vector<std::string> names;
  for (const auto& column : schema) names.push_back(base::sql_name(column.name));
  return base::join(names, ", ");
}

std::string no_rows(const Metadata& metadata, std::vector<std::string> columns = {}) {
  for (const auto& column : metadata.schema) {
    columns.push_back(
        fmt::format("CAST(NULL AS {}) AS {}", column.type.text(), base::sql_name(column.name)));
  }
  return fmt::format("SELECT {} WHERE false", base::join(columns, ", "));
}

// The rows of those of `files` that may lack columns, or of those that do not.
std::string read_sql(const std::vector<ScanFile>& files, bool may_lack_columns,
                     const Metadata& metadata) {
  std::vector<std::string> paths, types;
  for (const auto& file : files) {
    if (file.may_lack_columns != may_lack_columns) continue;
    paths.push_back(base::sql_string(file.path.string()));
  }
  if (paths.empty()) return "";
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
  const std::string read = fmt::format("read_parquet([{}], {}{})", base::join(paths, ", "), hive,
                                       may_lack_columns ? ", union_by_name = true" : "");
  // What no file of them has comes from the rows that there are not.
  return may_lack_columns ? fmt::format("({} UNION ALL BY NAME SELECT {}, * FROM {})",
                                        no_rows(metadata, {kNoColumn}), kNoColumn, read)
                          : read;
}

}  // namespace

std::string union_sql(const Schema& schema, const std::vector<std::string>& selects) {
  if (selects.size() == 1) return selects.front();
  std::vector<std::string> parts;
  for (const auto& select : selects) {
    parts.push_back(fmt::format("SELECT {}, * FROM ({})", kNoColumn, select));
  }
  return fmt::format("SELECT {} FROM ({})", names_of(schema), base::join(parts, " UNION ALL "));
}

std::string scan_sql(const std::vector<ScanFile>& files, const Metadata& metadata) {
  if (files.empty()) return no_rows(metadata);
  const auto columns = names_of(metadata.schema);
  std::vector<std::string> selects;
  for (const bool may_lack_columns : {false, true}) {
    const auto read = read_sql(files, may_lack_columns, metadata);
    if (read.empty()) continue;
    selects.push_back(fmt::format("SELECT {} FROM {}", columns, read));
  }
  return union_sql(metadata.schema, selects);
}

std::string scan_sql(const os::Path& root, const Snapshot& snapshot) {
  Files files;
  for (const auto& [path, file] : snapshot.files) files.push_back(file);
  return scan_sql(root, *snapshot.metadata, files);
}

}  // namespace millrace::lake
