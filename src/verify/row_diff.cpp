#include "verify/row_diff.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace millrace::verify {
namespace {

constexpr std::size_t kLinesMax = 60;
constexpr std::size_t kCellBytesMax = 60;

struct Line {
  char sign = ' ';
  const DiffRow* row = nullptr;
};

// A decimal number without what does not change its value: sign, digits and fraction.
std::optional<std::string> plain_number(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  std::string whole(text.substr(0, point)), fraction(text.substr(std::min(point + 1, text.size())));
  const auto is_digits = [](const std::string& digits) {
    return digits.find_first_not_of("0123456789") == std::string::npos;
  };
  if (whole.empty() || !is_digits(whole) || !is_digits(fraction)) return std::nullopt;
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  while (fraction.ends_with('0')) fraction.pop_back();
  const bool is_zero = whole == "0" && fraction.empty();
  return (is_negative && !is_zero ? "-" : "") + whole + "." + fraction;
}

std::optional<double> floating(const std::string& text) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = read.ec == std::errc{} && read.ptr == text.data() + text.size();
  return is_whole ? std::optional(number) : std::nullopt;
}

bool is_same_number(const std::string& a, const std::string& b) {
  const auto x = plain_number(a), y = plain_number(b);
  if (x && y) return *x == *y;
  const auto p = floating(a), q = floating(b);
  return p && q ? *p == *q : a == b;
}

bool is_same_row(const std::vector<DiffColumn>& columns, const DiffRow& a, const DiffRow& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto comparison = i < columns.size() ? columns[i].comparison : Comparison::Text;
    if (!is_same(a[i], b[i], comparison)) return false;
  }
  return true;
}

using Rows = std::vector<DiffRow>;

// The longest common part in order (rows are few), with what is missing and too much between.
std::vector<Line> lines_in_order(const std::vector<DiffColumn>& columns, const Rows& expected,
                                 const Rows& found) {
  const std::size_t n = expected.size(), m = found.size();
  std::vector<std::vector<std::size_t>> equal_rows(n + 1, std::vector<std::size_t>(m + 1));
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = m; j-- > 0;) {
      equal_rows[i][j] = is_same_row(columns, expected[i], found[j])
                             ? equal_rows[i + 1][j + 1] + 1
                             : std::max(equal_rows[i + 1][j], equal_rows[i][j + 1]);
    }
  }
  std::vector<Line> lines;
  std::size_t i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && is_same_row(columns, expected[i], found[j])) {
      lines.push_back({' ', &found[j]});
      ++i, ++j;
    } else if (i < n && (j == m || equal_rows[i + 1][j] >= equal_rows[i][j + 1])) {
      lines.push_back({'-', &expected[i++]});
    } else {
      lines.push_back({'+', &found[j++]});
    }
  }
  return lines;
}

std::vector<Line> lines_in_any_order(const std::vector<DiffColumn>& columns, const Rows& expected,
                                     const Rows& found) {
  std::vector<Line> lines;
  std::vector<bool> is_taken(found.size());
  for (const auto& row : expected) {
    std::size_t at = 0;
    while (at < found.size() && (is_taken[at] || !is_same_row(columns, row, found[at]))) ++at;
    if (at < found.size()) is_taken[at] = true;
    lines.push_back({at < found.size() ? ' ' : '-', &row});
  }
  for (std::size_t at = 0; at < found.size(); ++at) {
    if (!is_taken[at]) lines.push_back({'+', &found[at]});
  }
  return lines;
}

std::string cell_text(const std::optional<std::string>& cell) {
  return cell ? base::printable(*cell, kCellBytesMax) : "NULL";
}

std::string picture(const std::vector<DiffColumn>& columns, std::vector<Line> lines) {
  // Of many rows only those that differ.
  std::size_t same_count = 0;
  if (lines.size() > kLinesMax) {
    same_count = std::erase_if(lines, [](const Line& line) { return line.sign == ' '; });
  }
  std::vector<std::vector<std::string>> cells(1);
  for (const auto& column : columns)
    cells[0].push_back(base::printable(column.name, kCellBytesMax));
  for (const auto& line : lines) {
    auto& row = cells.emplace_back();
    for (const auto& cell : *line.row) row.push_back(cell_text(cell));
  }
  std::vector<std::size_t> widths;
  for (const auto& row : cells) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > kLinesMax) {
      text += fmt::format("  ... and {} more\n", cells.size() - i);
      break;
    }
    std::string line(1, i == 0 ? ' ' : lines[i - 1].sign);
    for (std::size_t k = 0; k < cells[i].size(); ++k) {
      line += fmt::format(" {:<{}} ", cells[i][k], widths[k]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  if (same_count > 0) text += fmt::format("  {} rows are the same\n", same_count);
  return text;
}

}  // namespace

bool is_same(const std::optional<std::string>& a, const std::optional<std::string>& b,
             Comparison comparison) {
  if (!a || !b) return !a && !b;
  if (*a == *b) return true;
  if (comparison == Comparison::Number) return is_same_number(*a, *b);
  if (comparison != Comparison::Time) return false;
  const auto x = base::parse_time(*a), y = base::parse_time(*b);
  return x && y && *x == *y;
}

std::optional<std::string> row_diff(const std::vector<DiffColumn>& columns,
                                    const std::vector<DiffRow>& expected,
                                    const std::vector<DiffRow>& found, RowOrder order) {
  const auto lines = order == RowOrder::Counts ? lines_in_order(columns, expected, found)
                                               : lines_in_any_order(columns, expected, found);
  if (std::ranges::all_of(lines, [](const Line& line) { return line.sign == ' '; })) {
    return std::nullopt;
  }
  return picture(columns, lines);
}

}  // namespace millrace::verify
