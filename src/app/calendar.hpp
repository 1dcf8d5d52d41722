#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/screen.hpp"

namespace millrace::app {

/// A partition of a job and how it is.
struct PartitionMark {
  std::string partition;  ///< `2026-11-20`, `2026-11-20T01:00Z`, `all`
  std::string state;      ///< `fresh`, `stale`, …
};

/// Partitions as a calendar, oldest first: of days a line for each month, of hours one for each day
/// of UTC, one sign for each partition. Empty if they are neither.
///
///              1   5    10   15   20   25   30
///     2026-10                           ■■■■■
///     2026-11  ■■■■■■■■■■■■■■■■■■sx~
std::string calendar(const std::vector<PartitionMark>& partitions, const Paint& paint);

/// What the signs of these partitions mean: `■ fresh  s stale`.
std::string calendar_legend(const std::vector<PartitionMark>& partitions, const Paint& paint);

}  // namespace millrace::app
