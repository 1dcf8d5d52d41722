#include "lake/retention.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace millrace::lake {
namespace {

using base::Result;
using Json = nlohmann::json;
using std::chrono::microseconds;

// A number of the table, beside its positions: microseconds since 1970.
constexpr const char* kKeptFrom = "millrace/kept_from";

}  // namespace

std::optional<base::Time> kept_from(const Snapshot& snapshot) {
  const auto stored = snapshot.transaction(kKeptFrom);
  return stored ? std::optional(base::Time(microseconds(*stored))) : std::nullopt;
}

std::optional<base::Time> newest_in(const AddFile& file, const std::string& column) {
  const auto stats = Json::parse(file.stats, nullptr, false);
  if (!stats.is_object()) return std::nullopt;
  const auto& bounds = stats.find("maxValues");
  if (bounds == stats.end() || !bounds->is_object()) return std::nullopt;
  const auto bound = bounds->find(column);
  if (bound == bounds->end() || !bound->is_string()) return std::nullopt;
  const auto time = base::parse_time(bound->get<std::string>());
  return time ? std::optional(*time) : std::nullopt;
}

Result<Removed> remove_old_rows(Table& table, const RetentionOptions& options) {
  const auto snapshot = TRY(table.refresh());
  Transaction change{.operation = kRemoveOldRows};
  Removed removed;
  std::vector<std::shared_ptr<const AddFile>> going;
  auto kept = kept_from(*snapshot).value_or(base::Time::min());
  for (const auto& [path, file] : snapshot->files) {
    const auto end = options.end_of(*file);
    if (!end || *end > options.horizon) continue;
    if (options.is_needed(*file)) {
      ++removed.files_needed;
      continue;
    }
    change.removes.push_back(
        {.path = path, .partition_values = file->partition_values, .size = file->size});
    going.push_back(file);
    ++removed.files;
    removed.rows += std::max<std::int64_t>(file->record_count, 0);
    removed.bytes += file->size;
    kept = std::max(kept, *end);
  }
  if (change.removes.empty()) return removed;
  change.parameters["before"] = base::format_time(options.horizon);
  change.notes.emplace_back(kKeptFrom, kept.time_since_epoch().count());
  change.positions = TRY(options.moved(*snapshot, going));
  const auto outcome = TRY(table.commit(change));
  if (std::holds_alternative<Conflict>(outcome)) return Removed{};
  return removed;
}

}  // namespace millrace::lake
