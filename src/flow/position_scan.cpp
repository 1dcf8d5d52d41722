#include "flow/position_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "flow/row_sql.hpp"

namespace millrace::flow {
namespace {

using base::Result;
using Json = nlohmann::json;

PositionScan::Files files_of(const lake::Snapshot& snapshot) {
  PositionScan::Files files;
  for (const auto& [path, file] : snapshot.files) files.push_back(file);
  return files;
}

}  // namespace

PositionScan::PositionScan(os::Path root, std::shared_ptr<const lake::Metadata> metadata,
                           Files files)
    : root_(std::move(root)), metadata_(std::move(metadata)), files_(std::move(files)) {
  for (const auto& file : files_) bounds_.push_back(bounds_of(*file));
}

PositionScan::PositionScan(const os::Path& root, const lake::Snapshot& snapshot)
    : PositionScan(root, snapshot.metadata, files_of(snapshot)) {}

PositionScan::Bounds PositionScan::bounds_of(const lake::AddFile& file) {
  const auto stats = Json::parse(file.stats, nullptr, false);
  const auto set = [&](const char* which, std::string_view column, std::int64_t& bound) {
    if (!stats.is_object() || !stats.contains(which)) return;
    const auto found = stats[which].find(std::string(column));
    if (found != stats[which].end() && found->is_number_integer()) bound = *found;
  };
  Bounds bounds;
  set("minValues", kShard, bounds.shard_min);
  set("maxValues", kShard, bounds.shard_max);
  set("minValues", kOffset, bounds.offset_min);
  set("maxValues", kOffset, bounds.offset_max);
  return bounds;
}

std::optional<std::string> PositionScan::select(const std::vector<PositionSlice>& slices) const {
  Files some;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const auto& bounds = bounds_[i];
    const bool may_hold = std::ranges::any_of(slices, [&](const PositionSlice& slice) {
      return bounds.shard_min <= slice.shard && slice.shard <= bounds.shard_max &&
             bounds.offset_min < slice.until && slice.from <= bounds.offset_max;
    });
    if (may_hold) some.push_back(files_[i]);
  }
  if (some.empty()) return std::nullopt;
  return lake::scan_sql(root_, *metadata_, some);
}

std::string PositionScan::condition(const std::vector<PositionSlice>& slices) {
  std::vector<std::string> parts;
  for (const auto& slice : slices) {
    parts.push_back(fmt::format("(_shard = {} AND _offset >= {} AND _offset < {})", slice.shard,
                                slice.from, slice.until));
  }
  return "(" + base::join(parts, " OR ") + ")";
}

Result<std::optional<std::vector<RowKey>>> PositionScan::read(
    sql::Connection& connection, const std::vector<PositionSlice>& slices,
    std::size_t rows_max) const {
  std::vector<RowKey> keys;
  const auto files = select(slices);
  if (!files) return std::optional(std::move(keys));
  auto rows =
      TRY(connection.query(fmt::format("SELECT _shard, _offset, coalesce(_row, -1) FROM ({}) "
                                       "WHERE {}",
                                       *files, condition(slices)),
                           sql::Fetch::Streamed));
  while (const auto chunk = TRY(rows.next())) {
    const auto* shards = chunk->column(0).data<std::int32_t>();
    const auto* offsets = chunk->column(1).data<std::int64_t>();
    const auto* numbers = chunk->column(2).data<std::int32_t>();
    if (keys.size() + chunk->row_count() > rows_max) return std::optional<std::vector<RowKey>>();
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      keys.push_back({shards[row], offsets[row], numbers[row]});
    }
  }
  if (!std::ranges::is_sorted(keys)) std::ranges::sort(keys);
  return std::optional(std::move(keys));
}

Result<std::map<std::int32_t, PositionScan::Extent>> PositionScan::extents(
    sql::Connection& connection) const {
  std::map<std::int32_t, Extent> extents;
  if (files_.empty()) return extents;
  auto rows = TRY(connection.query(fmt::format(
      "SELECT coalesce(_shard, {}) AS s, count(*), coalesce(max(_offset), -1) FROM ({}) "
      "GROUP BY s",
      INT32_MIN, lake::scan_sql(root_, *metadata_, files_))));
  while (const auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      extents[chunk->column(0).data<std::int32_t>()[row]] = {
          chunk->column(1).data<std::int64_t>()[row], chunk->column(2).data<std::int64_t>()[row]};
    }
  }
  return extents;
}

}  // namespace millrace::flow
