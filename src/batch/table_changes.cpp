#include "batch/table_changes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "base/text.hpp"
#include "lake/retention.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Result;

// Times are read in steps of this: every zone's days and hours begin at one.
constexpr std::int64_t kStep = 900'000'000;

}  // namespace

TableChanges::TableChanges(lake::Table& table, const JobInput& input, const config::Job& job,
                           const config::TimeZone& zone, sql::Instance& engine)
    : table_(table),
      input_(input),
      each_(job.each),
      each_column_(job.each_column),
      zone_(zone),
      engine_(engine) {}

Result<void> TableChanges::advance() {
  if (known_until_ < 0) return begin();
  if (table_.snapshot()->version.value() == known_until_) return {};
  const auto commits = table_.commits_after(base::TableVersion(known_until_));
  if (!commits && commits.error().code == Code::NotFound) return begin();
  if (!commits) return commits.error();
  TRY(take_in(*commits));
  if (!commits->empty()) known_until_ = commits->back().info.version;
  return {};
}

// Knows what is there, and nothing of how it came.
Result<void> TableChanges::begin() {
  const auto snapshot = table_.snapshot();
  std::vector<std::string> paths;
  for (const auto& [path, file] : snapshot->files) paths.push_back(path);
  TRY(read_times(paths));
  for (const auto& [path, file] : snapshot->files) {
    if (const auto found = partitions_of(path, file->partition_values)) {
      partitions_.insert(found->begin(), found->end());
    }
  }
  known_after_ = known_until_ = snapshot->version.value();
  return {};
}

Result<void> TableChanges::take_in(const std::vector<lake::Commit>& commits) {
  std::vector<std::string> paths;
  // That rows went because they are old changes nothing that was computed of them.
  const auto is_change = [](const lake::Commit& commit) {
    return commit.info.operation != lake::kRemoveOldRows;
  };
  for (const auto& commit : commits | std::views::filter(is_change)) {
    for (const auto& add : commit.adds) paths.push_back(add.path);
    for (const auto& remove : commit.removes) paths.push_back(remove.path);
  }
  TRY(read_times(paths));
  for (const auto& commit : commits | std::views::filter(is_change)) {
    const auto version = commit.info.version;
    for (const auto& add : commit.adds) {
      if (add.is_data_change) touch(version, add.path, add.partition_values);
    }
    for (const auto& remove : commit.removes) {
      if (remove.is_data_change) touch(version, remove.path, remove.partition_values);
    }
    // Another set of columns is another input. What is only added reaches no SQL that does not name
    // it, and is in the plan's fingerprint if all columns are read.
    const bool is_changed = commit.metadata && commit.info.operation != lake::kAddColumns;
    if (is_changed && version > 0) touched_all_ = std::max(touched_all_, version);
  }
  return {};
}

void TableChanges::touch(std::int64_t version, const std::string& path,
                         const lake::PartitionValues& values) {
  const auto found = partitions_of(path, values);
  if (!found || input_.is_wide) touched_all_ = std::max(touched_all_, version);
  if (!found) return;
  for (const auto& partition : *found) {
    auto& last = touched_[partition];
    last = std::max(last, version);
    partitions_.insert(partition);
  }
}

// None: nothing tells, so it may be any.
std::optional<std::set<Partition>> TableChanges::partitions_of(
    const std::string& path, const lake::PartitionValues& values) const {
  if (input_.by == JobInput::By::Time) {
    const auto found = by_file_.find(path);
    return found == by_file_.end() ? std::nullopt : std::optional(found->second);
  }
  if (input_.by == JobInput::By::Nothing) return std::nullopt;
  const auto value = std::ranges::find_if(values, [&](const auto& entry) {
    return base::equal_ignoring_case(entry.first, each_column_);
  });
  if (value == values.end()) return std::nullopt;
  // A row without a day belongs to no day.
  if (!value->second) return std::set<Partition>();
  const auto partition = partition_from_value(each_, *value->second, zone_);
  return partition ? std::optional(std::set{*partition}) : std::nullopt;
}

// Finds the partitions of each file's rows. A file that is gone stays unknown.
Result<void> TableChanges::read_times(const std::vector<std::string>& paths) {
  if (input_.by != JobInput::By::Time) return {};
  auto connection = TRY(engine_.connect());
  for (const auto& path : paths) {
    const auto file = table_.root() / lake::uri_decoded(path);
    if (by_file_.contains(path)) continue;
    if (!TRY(table_.store().stat(file))) continue;
    const auto& metadata = *table_.snapshot()->metadata;
    const lake::ScanFile scanned{file, !lake::added_columns(metadata).empty()};
    auto rows = TRY(connection.query(
        fmt::format("SELECT DISTINCT CAST(floor(epoch_us({0}) / {1}) AS BIGINT) AS step FROM "
                    "({2}) WHERE isfinite({0})",
                    base::sql_name(input_.time_column), kStep,
                    lake::scan_sql(std::vector{scanned}, metadata))));
    auto& partitions = by_file_[path];
    while (auto chunk = TRY(rows.next())) {
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        const auto step = chunk->column(0).data<std::int64_t>()[row];
        partitions.insert(
            partition_at(each_, base::Time(std::chrono::microseconds(step * kStep)), zone_));
      }
    }
  }
  return {};
}

// False: the log no longer says what came after `version`.
Result<bool> TableChanges::reach_back(std::int64_t version) {
  if (version >= known_after_) return true;
  if (version <= gone_until_) return false;
  const auto commits = table_.commits_after(base::TableVersion(version));
  if (!commits && commits.error().code == Code::NotFound) {
    gone_until_ = std::max(gone_until_, version);
    return false;
  }
  if (!commits) return commits.error();
  TRY(take_in(*commits));
  known_after_ = version;
  if (!commits->empty()) known_until_ = std::max(known_until_, commits->back().info.version);
  return true;
}

Result<bool> TableChanges::changed_after(std::int64_t version, const Partition& partition) {
  if (!TRY(reach_back(version))) return true;
  if (touched_all_ > version) return true;
  const auto touched = touched_.find(partition);
  return touched != touched_.end() && touched->second > version;
}

}  // namespace millrace::batch
