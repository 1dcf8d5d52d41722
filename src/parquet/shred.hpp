#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "parquet/leaf.hpp"
#include "sql/chunk.hpp"
#include "sql/render.hpp"

namespace millrace::parquet {

/// Values as DuckDB stores them, those that are missing left out.
using Values =
    std::variant<std::vector<std::int8_t>, std::vector<std::int16_t>, std::vector<std::int32_t>,
                 std::vector<std::int64_t>, std::vector<float>, std::vector<double>,
                 std::vector<sql::Int128>, std::vector<std::string_view>>;

/// Some rows of a chunk.
struct RowSlice {
  const sql::Chunk* chunk = nullptr;
  std::span<const std::uint32_t> rows = {};
};

/// A leaf's values of some rows, and Dremel's levels, which say where in the rows they stand.
/// Example  the lists [1, NULL], [], NULL, [2] have the values 1 2, the definitions 3 2 1 0 3 and
///          the repetitions 0 1 0 0 0.
/// Source   Melnik et al., "Dremel: Interactive Analysis of Web-Scale Datasets", section 4.
class LeafRows {
 public:
  explicit LeafRows(const Leaf& leaf);

  /// Adds rows of the leaf's column in a chunk; it must be flat and outlive this.
  void add(const RowSlice& slice, std::size_t column);
  /// Adds rows that have no such column.
  void add_missing(std::size_t rows);

  const Values& values() const { return values_; }
  std::size_t value_count() const;
  /// Values and places without one.
  std::size_t entry_count() const { return entries_; }
  /// One for each entry; empty: every one is `definition_max`.
  const std::vector<std::uint8_t>& definitions() const { return definitions_; }
  /// One for each entry; empty: none is in a list.
  const std::vector<std::uint8_t>& repetitions() const { return repetitions_; }

 private:
  struct Way;
  void add_entries(const Way& way);
  void add_values(sql::Vector vector, std::span<const std::uint32_t> rows);

  const Leaf& leaf_;
  Values values_;
  std::size_t entries_ = 0;
  std::vector<std::uint8_t> definitions_, repetitions_;
};

}  // namespace millrace::parquet
