#include "batch/age.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "lake/retention.hpp"

namespace millrace::batch {
namespace {

using config::Each;
using std::chrono::microseconds;

const sql::Column* find_column(const lake::Metadata& metadata, const std::string& name) {
  const auto found = std::ranges::find(metadata.schema, name, &sql::Column::name);
  return found == metadata.schema.end() ? nullptr : &*found;
}

// The largest time in the file itself.
std::optional<base::Time> newest_inside(const os::Path& file, const std::string& column,
                                        sql::Connection& connection) {
  const auto newest = connection.scalar(
      fmt::format("SELECT epoch_us(max({})) FROM read_parquet({}, hive_partitioning = false)",
                  base::sql_name(column), base::sql_string(file.string())));
  if (!newest || !*newest) return std::nullopt;
  std::int64_t number = 0;
  const auto& text = **newest;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{}) return std::nullopt;
  return base::Time(microseconds(number));
}

}  // namespace

Age Age::of(const config::Pipeline& pipeline, const config::Table& table,
            const lake::Metadata& metadata, const config::TimeZone& zone) {
  for (const auto& name : metadata.partition_columns) {
    const auto* column = find_column(metadata, name);
    if (column && column->type.id() == DUCKDB_TYPE_DATE) return {Each::Day, name, zone};
  }
  const auto& event_time = pipeline.root_source(table).event_time;
  const auto* time = event_time ? find_column(metadata, event_time->column) : nullptr;
  const bool has_time =
      time && time->type.id() == DUCKDB_TYPE_TIMESTAMP_TZ &&
      std::ranges::find(metadata.partition_columns, time->name) == metadata.partition_columns.end();
  return {Each::None, has_time ? time->name : "_received_at", zone};
}

Age Age::of(const config::Job& job, const config::TimeZone& zone) {
  return {job.each, job.each_column, zone};
}

std::optional<base::Time> Age::end_of(const lake::AddFile& file, const os::Path& root,
                                      sql::Connection& connection) const {
  if (each_ != Each::None) {
    const auto value = file.partition_values.find(column_);
    if (value == file.partition_values.end() || !value->second) return std::nullopt;
    const auto partition = partition_from_value(each_, *value->second, zone_);
    return partition ? std::optional(partition->end) : std::nullopt;
  }
  auto newest = lake::newest_in(file, column_);
  if (!newest) newest = newest_inside(root / lake::uri_decoded(file.path), column_, connection);
  return newest ? std::optional(*newest + microseconds(1)) : std::nullopt;
}

}  // namespace millrace::batch
