#include "app/text_table.hpp"

#include <algorithm>

#include "app/text_width.hpp"
#include "base/text.hpp"

namespace millrace::app {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kColumnWidthMin = 8;
constexpr std::size_t kCellBytesMax = 64 << 10;
constexpr std::string_view kNull = "NULL";

std::string shown(const Cell& cell) {
  return cell ? base::printable(*cell, kCellBytesMax) : std::string(kNull);
}

std::string aligned(const std::string& text, std::size_t width, Align align) {
  if (align == Align::Left) return padded(text, width);
  const auto cells = text_width(text);
  return std::string(cells < width ? width - cells : 0, ' ') + text;
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

void end_line(std::string& out) {
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

}  // namespace

std::vector<std::size_t> TextTable::widths(std::size_t width) const {
  std::vector<std::size_t> widths;
  for (const auto& column : columns_) widths.push_back(text_width(column.name));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], text_width(shown(row[i])));
    }
  }
  if (width == 0 || widths.empty()) return widths;
  std::size_t total = kGap * (widths.size() - 1);
  for (const auto cells : widths) total += cells;
  while (total > width) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool may_shrink = columns_[i].align == Align::Left && widths[i] > kColumnWidthMin;
      if (may_shrink && (!widest || widths[i] > *widest)) widest = &widths[i];
    }
    if (!widest) break;
    --*widest;
    --total;
  }
  return widths;
}

std::string TextTable::text(const Paint& paint, std::size_t width) const {
  const auto cells = widths(width);
  const std::string gap(kGap, ' ');
  std::string head;
  std::string rule;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) head += gap, rule += gap;
    const auto name = fitted(base::printable(columns_[i].name, kCellBytesMax), cells[i]);
    head += paint(Colour::Bold, aligned(name, cells[i], columns_[i].align));
    rule += repeated("─", cells[i]);
  }
  end_line(head);
  std::string out = head + paint(Colour::Dim, rule) + "\n";
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += gap;
      const auto text = aligned(fitted(shown(row[i]), cells[i]), cells[i], columns_[i].align);
      line += row[i] ? text : paint(Colour::Dim, text);
    }
    end_line(line);
    out += line;
  }
  return out;
}

}  // namespace millrace::app
