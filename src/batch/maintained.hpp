#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::batch {

/// What a table's maintenance did.
struct Maintained {
  std::int64_t rows_removed = 0;  ///< that are not kept any longer
  std::size_t files_removed = 0;  ///< with them
  std::size_t files_needed = 0;   ///< that stay since a chained table or an alert is behind
  std::size_t files_before = 0;   ///< small ones
  std::size_t files_after = 0;    ///< that they became
  std::size_t files_deleted = 0;  ///< that no version needs
  std::int64_t bytes_deleted = 0;
};

}  // namespace millrace::batch
