#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/screen.hpp"

namespace millrace::app {

/// One value of a chart and how it is labelled and written.
struct Mark {
  std::string label;
  std::optional<double> value;  ///< none: nothing is drawn
  std::string text;
};

/// One line per mark: label, a bar in eighths of a cell, value. Bars below zero go to the left of a
/// common axis. `width` cells at most.
std::string bar_chart(const std::vector<Mark>& marks, const Paint& paint, std::size_t width);

/// The marks from left to right as a line of dots, with the highest and lowest value beside it and
/// the first and last label below.
std::string line_chart(const std::vector<Mark>& marks, const Paint& paint, std::size_t width);

}  // namespace millrace::app
