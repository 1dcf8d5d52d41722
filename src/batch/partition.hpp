#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "config/pipeline.hpp"
#include "config/time_zone.hpp"
#include "lake/actions.hpp"

namespace millrace::batch {

/// One partition of a job's table: a calendar day, an hour, or, without `each`, all of it. Days and
/// hours are those of the pipeline's time zone: a day has 23, 24 or 25 hours.
struct Partition {
  config::Each each = config::Each::None;
  base::Time start{};  ///< the first moment
  base::Time end{};    ///< the first moment after it; the same as `start` without `each`
  config::CalendarDay day{};

  bool operator==(const Partition& other) const { return start == other.start; }
  auto operator<=>(const Partition& other) const { return start <=> other.start; }
};

/// The partition that a moment is in.
Partition partition_at(config::Each each, base::Time time, const config::TimeZone& zone);
Partition partition_of_day(config::CalendarDay day, const config::TimeZone& zone);
Partition next_partition(const Partition& partition, const config::TimeZone& zone);

/// As people see it: `2026-11-20`, `2026-11-20T01:00Z`, `all`.
std::string label_of(const Partition& partition);
/// As Delta writes the partition column's value: `2026-11-20`, `2026-11-20T01:00:00.000000Z`, or
/// nothing. Source  Delta protocol, "Partition Value Serialization".
std::string value_of(const Partition& partition);
/// The value of the parameter `$day` or `$hour` as SQL.
std::string literal_of(const Partition& partition);
/// The partition column and its value; empty without `each`.
lake::PartitionValues values_of(const Partition& partition, const std::string& each_column);

/// Reads what `value_of` writes.
std::optional<Partition> partition_from_value(config::Each each, std::string_view value,
                                              const config::TimeZone& zone);
/// Reads what people write: a day; for an hour its start, as wall clock of the zone
/// (`2026-11-20T02`, `2026-11-20T02:00`) or with an offset (`2026-11-20T01:00Z`).
/// Errors  Invalid: anything else.
base::Result<Partition> parse_partition(config::Each each, std::string_view text,
                                        const config::TimeZone& zone);
/// All partitions from `from` to `to`, both included; for hours a day stands for all of its hours.
/// Errors  Invalid: unreadable, the wrong way round, or more than `kRangeMax`.
base::Result<std::vector<Partition>> parse_range(config::Each each, std::string_view from,
                                                 std::string_view to, const config::TimeZone& zone);
inline constexpr std::size_t kRangeMax = 20'000;

}  // namespace millrace::batch
