#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lake/snapshot.hpp"
#include "sql/connection.hpp"

namespace millrace::flow {

/// Some positions of a shard: those from `from` to before `until`.
struct PositionSlice {
  std::int32_t shard = 0;
  std::int64_t from = 0;
  std::int64_t until = 0;
};

/// Where a row says that it comes from; in the order in which they are sorted.
struct RowKey {
  std::int32_t shard = 0;
  std::int64_t offset = 0;
  std::int32_t row = 0;
  auto operator<=>(const RowKey&) const = default;
};

/// The positions that stand in a table's data files, and nothing else of them. Files that cannot
/// hold a slice, by their statistics, are not opened.
class PositionScan {
 public:
  using Files = lake::Files;
  PositionScan(os::Path root, std::shared_ptr<const lake::Metadata> metadata, Files files);
  /// All files of a snapshot.
  PositionScan(const os::Path& root, const lake::Snapshot& snapshot);

  /// SQL, without parentheses, of the rows of the files that may hold some of `slices`; none: no
  /// file does.
  std::optional<std::string> select(const std::vector<PositionSlice>& slices) const;
  /// A condition that holds for positions within `slices`.
  static std::string condition(const std::vector<PositionSlice>& slices);

  /// The rows of `slices`, sorted. Shape  none: there are more than `rows_max`.
  base::Result<std::optional<std::vector<RowKey>>> read(sql::Connection& connection,
                                                        const std::vector<PositionSlice>& slices,
                                                        std::size_t rows_max) const;

  struct Extent {
    std::int64_t rows = 0;
    std::int64_t offset_max = 0;
  };
  /// How many rows there are in all, by shard.
  base::Result<std::map<std::int32_t, Extent>> extents(sql::Connection& connection) const;

 private:
  struct Bounds {
    std::int64_t shard_min = INT64_MIN, shard_max = INT64_MAX;
    std::int64_t offset_min = INT64_MIN, offset_max = INT64_MAX;
  };
  static Bounds bounds_of(const lake::AddFile& file);

  const os::Path root_;
  const std::shared_ptr<const lake::Metadata> metadata_;
  const Files files_;
  std::vector<Bounds> bounds_;  // of each of `files_`
};

}  // namespace millrace::flow
