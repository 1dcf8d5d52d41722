#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::verify {

/// A SELECT of a pipeline test, made whole.
struct WholeSelect {
  std::string sql;
  bool is_ordered = false;  ///< it has an ORDER BY of its own: the order of its rows counts
  std::size_t added_at = 0;
  std::size_t added_bytes = 0;

  /// The byte of the text as it stands in the file for a byte of `sql`.
  std::size_t byte_in_file(std::size_t byte) const;
};

/// Adds `FROM table` where `text` has no FROM: before its WHERE, GROUP BY, ORDER BY and so on, or
/// at its end. Words in quotes, comments and parentheses do not count.
WholeSelect whole_select(std::string_view text, std::string_view table);

}  // namespace millrace::verify
