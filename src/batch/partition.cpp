#include "batch/partition.hpp"

#include <fmt/format.h>

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::Each;
using std::chrono::hours;
using std::chrono::microseconds;

// Where the zone's hours begin, after those of UTC. One choice for all times keeps hours from
// overlapping where a clock change is not by a whole hour.
microseconds hour_shift(const config::TimeZone& zone) {
  const base::Time reference = std::chrono::sys_days(std::chrono::days(18'262));  // 2020-01-01
  const auto offset = zone.wall(reference).time_since_epoch() - reference.time_since_epoch();
  const auto part = offset % hours(1);
  return part < microseconds(0) ? part + hours(1) : part;
}

Partition hour_of(base::Time time, const config::TimeZone& zone) {
  const auto shift = hour_shift(zone);
  const base::Time start = std::chrono::floor<hours>(time + shift) - shift;
  return {Each::Hour, start, start + hours(1), zone.day_of(start)};
}

Error unreadable(Each each, std::string_view text) {
  return {Code::Invalid,
          each == Each::Day
              ? fmt::format("'{}' is not a day like 2026-11-20", text)
              : fmt::format("'{}' is not the start of an hour like 2026-11-20T02 (in the "
                            "pipeline's time zone) or 2026-11-20T01:00Z",
                            text)};
}

Result<Partition> parse_hour(std::string_view text, const config::TimeZone& zone) {
  const auto bad = unreadable(Each::Hour, text);
  std::string moment(text);
  if (moment.size() < 13) return bad;
  if (moment[10] == ' ') moment[10] = 'T';
  if (moment.size() == 13) moment += ":00";
  // Seconds may be left out.
  if (moment.size() == 16 || (moment.size() > 16 && moment[16] != ':')) moment.insert(16, ":00");
  const bool is_wall = moment.size() == 19;
  const auto read = base::parse_time(is_wall ? moment + "Z" : moment);
  if (!read) return bad;
  const base::Time time =
      is_wall ? zone.at(std::chrono::local_time<microseconds>(read->time_since_epoch())) : *read;
  const auto partition = hour_of(time, zone);
  return partition.start == time ? Result<Partition>(partition) : bad;
}

}  // namespace

Partition partition_of_day(config::CalendarDay day, const config::TimeZone& zone) {
  const auto [start, end] = zone.day_bounds(day);
  return {Each::Day, start, end, day};
}

Partition partition_at(Each each, base::Time time, const config::TimeZone& zone) {
  if (each == Each::Day) return partition_of_day(zone.day_of(time), zone);
  return each == Each::Hour ? hour_of(time, zone) : Partition{};
}

Partition next_partition(const Partition& partition, const config::TimeZone& zone) {
  return partition_at(partition.each, partition.end, zone);
}

std::string value_of(const Partition& partition) {
  if (partition.each == Each::Day) return config::format_day(partition.day);
  return partition.each == Each::Hour ? base::format_time(partition.start) : "";
}

std::string label_of(const Partition& partition) {
  if (partition.each == Each::None) return "all";
  if (partition.each == Each::Day) return value_of(partition);
  return base::format_time(partition.start).substr(0, 16) + "Z";
}

std::string literal_of(const Partition& partition) {
  return fmt::format("{} '{}'", partition.each == Each::Day ? "DATE" : "TIMESTAMPTZ",
                     value_of(partition));
}

lake::PartitionValues values_of(const Partition& partition, const std::string& each_column) {
  if (partition.each == Each::None) return {};
  return {{each_column, value_of(partition)}};
}

std::optional<Partition> partition_from_value(Each each, std::string_view value,
                                              const config::TimeZone& zone) {
  if (each == Each::Day) {
    const auto day = config::parse_day(value);
    return day ? std::optional(partition_of_day(*day, zone)) : std::nullopt;
  }
  const auto time = base::parse_time(value);
  if (each != Each::Hour || !time) return std::nullopt;
  const auto partition = hour_of(*time, zone);
  return partition.start == *time ? std::optional(partition) : std::nullopt;
}

Result<Partition> parse_partition(Each each, std::string_view text, const config::TimeZone& zone) {
  if (each == Each::Hour) return parse_hour(text, zone);
  const auto day = config::parse_day(text);
  if (!day) return unreadable(each, text);
  return partition_of_day(*day, zone);
}

Result<std::vector<Partition>> parse_range(Each each, std::string_view from, std::string_view to,
                                           const config::TimeZone& zone) {
  const auto bounds = [&](std::string_view text) -> Result<std::pair<base::Time, base::Time>> {
    if (const auto day = config::parse_day(text)) return zone.day_bounds(*day);
    const auto partition = TRY(parse_partition(each, text, zone));
    return std::pair(partition.start, partition.end);
  };
  const auto first = TRY(bounds(from)).first;
  const auto last = TRY(bounds(to)).second;
  if (last <= first) {
    return Error{Code::Invalid, fmt::format("'{}' is after '{}'; swap them", from, to)};
  }
  std::vector<Partition> partitions;
  for (auto at = partition_at(each, first, zone); at.start < last; at = next_partition(at, zone)) {
    if (partitions.size() == kRangeMax) {
      return Error{Code::Invalid, fmt::format("from '{}' to '{}' are more than {} partitions; ask "
                                              "for fewer at once",
                                              from, to, kRangeMax)};
    }
    partitions.push_back(at);
  }
  return partitions;
}

}  // namespace millrace::batch
