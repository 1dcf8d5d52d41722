#include "app/calendar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

namespace millrace::app {
namespace {

struct Sign {
  std::string_view state;
  std::string_view glyph;
  std::optional<Colour> colour;
};

// In the order of a partition's life.
constexpr std::array<Sign, 8> kSigns{{{"filling", "~", Colour::Cyan},
                                      {"due", "d", Colour::Yellow},
                                      {"running", "r", Colour::Bold},
                                      {"fresh", "■", Colour::Green},
                                      {"stale", "s", Colour::Yellow},
                                      {"failed", "x", Colour::Red},
                                      {"blocked", "b", Colour::Red},
                                      {"final", "=", Colour::Dim}}};
// A newer instance may know more.
constexpr Sign kUnknown{"other", "?", std::nullopt};

constexpr std::size_t kMonthBytes = 7;  // `2026-11`
constexpr std::size_t kDayBytes = 10;   // `2026-11-20`
constexpr std::size_t kCells = 31;

const Sign& sign_of(std::string_view state) {
  const auto found = std::ranges::find(kSigns, state, &Sign::state);
  return found == kSigns.end() ? kUnknown : *found;
}

std::string drawn(const Sign& sign, const Paint& paint, std::size_t times = 1) {
  std::string glyphs;
  for (std::size_t i = 0; i < times; ++i) glyphs += sign.glyph;
  return sign.colour ? paint(*sign.colour, glyphs) : glyphs;
}

struct At {
  std::string line;      // its head
  std::size_t cell = 0;  // from 0
};

std::optional<std::size_t> number_at(const std::string& text, std::size_t at) {
  std::size_t number = 0;
  const char* begin = text.data() + at;
  const auto read = std::from_chars(begin, begin + 2, number);
  if (read.ec != std::errc{} || read.ptr != begin + 2) return std::nullopt;
  return number;
}

std::optional<At> place_of(const std::string& partition) {
  if (partition.size() < kDayBytes || partition[4] != '-') return std::nullopt;
  const bool is_hour = partition.size() > kDayBytes + 3;
  const auto number = number_at(partition, is_hour ? kDayBytes + 1 : kMonthBytes + 1);
  constexpr std::size_t kMonthAt = 5;
  if (!number_at(partition, kMonthAt)) return std::nullopt;
  if (!number || *number > kCells || (!is_hour && *number == 0)) return std::nullopt;
  return At{partition.substr(0, is_hour ? kDayBytes : kMonthBytes),
            is_hour ? *number : *number - 1};
}

// `1   5    10`: each number stands above its cell.
std::string ruler(bool is_of_hours) {
  const std::vector<std::size_t> numbers = is_of_hours
                                               ? std::vector<std::size_t>{0, 6, 12, 18}
                                               : std::vector<std::size_t>{1, 5, 10, 15, 20, 25, 30};
  std::string out;
  for (const auto number : numbers) {
    out.resize(is_of_hours ? number : number - 1, ' ');
    out += std::to_string(number);
  }
  return out;
}

using Line = std::array<const Sign*, kCells + 1>;

// Signs that are alike are painted at once.
std::string line_text(const Line& line, const Paint& paint) {
  std::string out;
  std::size_t blanks = 0;
  for (std::size_t i = 0; i < line.size();) {
    if (!line[i]) {
      ++blanks;
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < line.size() && line[end] == line[i]) ++end;
    out += std::string(std::exchange(blanks, 0), ' ') + drawn(*line[i], paint, end - i);
    i = end;
  }
  return out;
}

}  // namespace

std::string calendar(const std::vector<PartitionMark>& partitions, const Paint& paint) {
  std::map<std::string, Line> lines;
  for (const auto& [partition, state] : partitions) {
    const auto at = place_of(partition);
    if (at) lines[at->line][at->cell] = &sign_of(state);
  }
  if (lines.empty()) return "";
  const auto head = lines.begin()->first.size();
  auto out = std::string(head + 2, ' ') + paint(Colour::Dim, ruler(head == kDayBytes)) + "\n";
  for (const auto& [name, line] : lines) out += name + "  " + line_text(line, paint) + "\n";
  return out;
}

std::string calendar_legend(const std::vector<PartitionMark>& partitions, const Paint& paint) {
  std::string out;
  const auto add = [&](const Sign& sign) {
    const bool is_there = std::ranges::any_of(
        partitions, [&](const auto& mark) { return &sign_of(mark.state) == &sign; });
    if (!is_there) return;
    out += (out.empty() ? "" : "  ") + drawn(sign, paint) + " " + std::string(sign.state);
  };
  for (const auto& sign : kSigns) add(sign);
  add(kUnknown);
  return out;
}

}  // namespace millrace::app
