#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "lake/table.hpp"

namespace millrace::lake {

/// The operation of commits that remove rows because they are old. Whoever computes from the table
/// tells by it that nothing was changed: what was computed of those rows holds.
inline constexpr const char* kRemoveOldRows = "REMOVE OLD ROWS";

struct RetentionOptions {
  base::Time horizon;  ///< rows before it may go
  /// The first moment after the last row of a file; none: not known, the file stays.
  std::function<std::optional<base::Time>(const AddFile&)> end_of;
  /// True: somebody still has to read rows of the file, it stays.
  std::function<bool(const AddFile&)> is_needed = [](const AddFile&) { return false; };
  /// Positions that the commit moves with it: what the table says about the files that go.
  std::function<base::Result<std::vector<Transaction::Position>>(
      const Snapshot&, const std::vector<std::shared_ptr<const AddFile>>&)>
      moved = [](const auto&, const auto&) { return std::vector<Transaction::Position>(); };
};

struct Removed {
  std::size_t files = 0;
  std::int64_t rows = 0;  ///< of files that say how many they have
  std::int64_t bytes = 0;
  std::size_t files_needed = 0;  ///< that stay because of `is_needed`
};

/// Removes the files all of whose rows are before the horizon, in one commit. Their rows are gone
/// for readers of later versions; the files themselves go with `vacuum`. Loses to any other writer:
/// nothing is removed then.
base::Result<Removed> remove_old_rows(Table& table, const RetentionOptions& options);

/// Rows before this moment may have been removed; those from it on are all there. None: nothing was
/// removed.
std::optional<base::Time> kept_from(const Snapshot& snapshot);

/// The largest value of a time column in a file, by its statistics; none: not known.
std::optional<base::Time> newest_in(const AddFile& file, const std::string& column);

}  // namespace millrace::lake
