#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/screen.hpp"

namespace millrace::app {

enum class Align : std::uint8_t { Left, Right };

/// One value of a table; none is NULL.
using Cell = std::optional<std::string>;

/// A table for people: aligned columns under a ruled head.
///
///     customer   total
///     ────────  ──────
///     c1        120.50
class TextTable {
 public:
  struct Column {
    std::string name;
    Align align = Align::Left;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Adds a row; it must have as many cells as there are columns.
  void add(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  std::size_t row_count() const { return rows_.size(); }

  /// The table's lines. If they do not fit `width` cells (0: no limit), the widest left-aligned
  /// columns are cut; numbers never are. Control characters are shown as escapes.
  std::string text(const Paint& paint, std::size_t width = 0) const;

 private:
  std::vector<std::size_t> widths(std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace millrace::app
