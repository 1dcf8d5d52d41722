#include "app/chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "app/text_width.hpp"
#include "base/text.hpp"

namespace millrace::app {
namespace {

constexpr std::size_t kLabelWidthMax = 32;
constexpr std::size_t kBarWidthMin = 10;
constexpr std::array<std::string_view, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
constexpr std::size_t kPlotRows = 8;
// A cell of the plot is a Braille pattern of 2 x 4 dots.
constexpr std::size_t kDotsAcross = 2;
constexpr std::size_t kDotsDown = 4;

bool is_drawn(const Mark& mark) {
  return mark.value && std::isfinite(*mark.value);
}

std::string label_of(const Mark& mark) {
  return fitted(base::printable(mark.label), kLabelWidthMax);
}

struct Extent {
  double low = 0;
  double high = 0;
  std::size_t label_width = 0;
  std::size_t text_width = 0;
};

Extent extent_of(const std::vector<Mark>& marks) {
  Extent extent;
  for (const auto& mark : marks) {
    extent.label_width = std::max(extent.label_width, text_width(label_of(mark)));
    extent.text_width = std::max(extent.text_width, text_width(mark.text));
    if (!is_drawn(mark)) continue;
    extent.low = std::min(extent.low, *mark.value);
    extent.high = std::max(extent.high, *mark.value);
  }
  return extent;
}

std::string bar_right(double cells) {
  const auto eighths = static_cast<std::size_t>(std::lround(cells * 8));
  std::string out;
  for (std::size_t i = 0; i < eighths / 8; ++i) out += "█";
  out += kEighths[eighths % 8];
  return out;
}

// There are no blocks that fill a cell from the right by eighths: whole cells.
std::string bar_left(double cells, std::size_t width) {
  const auto whole = std::min(static_cast<std::size_t>(std::lround(cells)), width);
  std::string out(width - whole, ' ');
  for (std::size_t i = 0; i < whole; ++i) out += "█";
  return out;
}

// U+2800 and the dots' bits.
std::string braille(unsigned dots) {
  return {static_cast<char>(0xE2), static_cast<char>(0xA0 | dots >> 6U),
          static_cast<char>(0x80 | (dots & 0x3FU))};
}

// Dots of a plot, from the top left.
class Plot {
 public:
  explicit Plot(std::size_t columns) : columns_(columns), cells_(columns * kPlotRows) {}

  void set(std::size_t x, std::size_t y) {
    static constexpr std::array<std::array<unsigned, kDotsAcross>, kDotsDown> kBits{
        {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}};
    cells_[y / kDotsDown * columns_ + x / kDotsAcross] |= kBits[y % kDotsDown][x % kDotsAcross];
  }

  std::string row(std::size_t index) const {
    std::string out;
    for (std::size_t i = 0; i < columns_; ++i) out += braille(cells_[index * columns_ + i]);
    return out;
  }

 private:
  std::size_t columns_;
  std::vector<unsigned> cells_;
};

// Draws from dot to dot, straight.
void draw(Plot& plot, const std::vector<std::pair<double, double>>& points) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto [x, y] = points[i];
    const auto [x_next, y_next] = points[std::min(i + 1, points.size() - 1)];
    const auto steps = std::max({std::abs(x_next - x), std::abs(y_next - y), 1.0});
    for (double step = 0; step <= steps; ++step) {
      plot.set(static_cast<std::size_t>(std::lround(x + (x_next - x) * step / steps)),
               static_cast<std::size_t>(std::lround(y + (y_next - y) * step / steps)));
    }
  }
}

}  // namespace

std::string bar_chart(const std::vector<Mark>& marks, const Paint& paint, std::size_t width) {
  const auto extent = extent_of(marks);
  const auto taken = extent.label_width + extent.text_width + 3;
  const auto room = width > taken + kBarWidthMin ? width - taken : kBarWidthMin;
  const double span = extent.high - extent.low;
  const double scale = span > 0 ? static_cast<double>(room) / span : 0;
  const auto left = static_cast<std::size_t>(std::ceil(-extent.low * scale));
  std::string out;
  for (const auto& mark : marks) {
    const double cells = is_drawn(mark) ? *mark.value * scale : 0;
    auto bar = cells < 0 ? bar_left(-cells, left) : std::string(left, ' ') + bar_right(cells);
    out += padded(label_of(mark), extent.label_width) + " ▕" + paint(Colour::Cyan, bar) + " ";
    out += mark.text + "\n";
  }
  return out;
}

std::string line_chart(const std::vector<Mark>& marks, const Paint& paint, std::size_t width) {
  const Mark* low = nullptr;
  const Mark* high = nullptr;
  for (const auto& mark : marks) {
    if (!is_drawn(mark)) continue;
    if (!low || *mark.value < *low->value) low = &mark;
    if (!high || *mark.value > *high->value) high = &mark;
  }
  if (!low) return "";
  const auto margin = std::max(text_width(low->text), text_width(high->text));
  const auto columns = std::max(width > margin + 2 ? width - margin - 2 : 0, kBarWidthMin);
  Plot plot(columns);
  std::vector<std::pair<double, double>> points;
  const double span = *high->value - *low->value;
  const auto across = static_cast<double>(columns * kDotsAcross - 1);
  const auto down = static_cast<double>(kPlotRows * kDotsDown - 1);
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (!is_drawn(marks[i])) continue;
    const auto last = static_cast<double>(std::max<std::size_t>(marks.size() - 1, 1));
    const double height = span > 0 ? (*marks[i].value - *low->value) / span : 0.5;
    points.emplace_back(across * static_cast<double>(i) / last, down * (1 - height));
  }
  draw(plot, points);
  std::string out;
  for (std::size_t row = 0; row < kPlotRows; ++row) {
    const std::string text = row == 0 ? high->text : row + 1 == kPlotRows ? low->text : "";
    out += std::string(margin - text_width(text), ' ') + text + " ▕";
    out += paint(Colour::Cyan, plot.row(row)) + "\n";
  }
  const auto first_label = label_of(marks.front());
  const auto last_label = label_of(marks.back());
  const auto used = text_width(first_label) + text_width(last_label);
  out += std::string(margin + 2, ' ') + first_label +
         std::string(used < columns ? columns - used : 1, ' ') + last_label + "\n";
  return out;
}

}  // namespace millrace::app
