#pragma once

#include <cstddef>
#include <string>

namespace millrace::config {

/// Where something stands in the pipeline file; line and column count from 1, 0 if unknown.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;

  std::string text() const;  ///< `orders.yaml:12:5`
};

/// An SQL text of the file. `place` is where its first character stands and `indent` how many
/// characters each further line was moved right by YAML, so that an error at a byte of `text` can
/// be shown at its place in the file.
struct SqlText {
  std::string text;
  Place place;
  int indent = 0;

  /// The place in the file of the byte at `at` of `text`.
  Place place_of(std::size_t at) const;
};

}  // namespace millrace::config
