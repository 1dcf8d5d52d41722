#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "parquet/shred.hpp"

namespace millrace::parquet {

/// What is known of a leaf's values in some rows.
struct Statistics {
  std::int64_t null_count = 0;  ///< entries without a value
  bool has_nan = false;
  /// The smallest and the largest value: none or two. Texts live in the chunks from which they
  /// came.
  Values extremes;
};

/// `values` are those of `rows`, or each of them once.
Statistics statistics_of(const LeafRows& rows, const Values& values);
/// Adds what is known of further rows of the same leaf.
void add(Statistics& all, const Statistics& more);

enum class Bound : std::uint8_t { Min, Max };

/// A bound as the footer has it: PLAIN, a text without its length. None where values have no order
/// (NaN), there are none, or it would be long.
/// Source  parquet.thrift, "Statistics" and "ColumnOrder": the order of the type.
std::optional<std::string> bound_bytes(const Leaf& leaf, const Statistics& all, Bound bound);
/// A bound for people, whole.
std::optional<std::string> bound_text(const Leaf& leaf, const Statistics& all, Bound bound);

}  // namespace millrace::parquet
